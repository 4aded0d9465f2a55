"""What the environment may say, and the sentence when it says something else."""

from pathlib import Path

import pytest

from devora_ops.embedded import InstallationError
from devora_ops.installation.environment import Environment


def test_the_demo_is_for_embedded_servers_unless_said_otherwise() -> None:
    own = "postgres://u:p@db/x"
    assert Environment.read({}).demo
    assert not Environment.read({"DATABASE_URL": own}).demo
    assert Environment.read({"DATABASE_URL": own, "DEVORA_DEMO": "1"}).demo
    assert not Environment.read({"DEVORA_DEMO": "0"}).demo


def test_settings_see_the_same_folder_and_demo() -> None:
    environ = {"DEVORA_DATA": "somewhere"}
    read = Environment.read(environ)
    assert environ["DEVORA_DATA"] == str(read.data) == str(Path.cwd() / "somewhere")
    assert environ["DEVORA_DEMO"] == "1"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://u:p@db/x\n")
    read = Environment.read({"DATABASE_URL_FILE": str(tmp_path / "url")})
    assert read.database_url == "postgres://u:p@db/x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "８０００"),
        ("WEB_CONCURRENCY", "-1"),
        ("DEVORA_DEMO", "maybe"),
        ("DATABASE_URL", "mysql://u:p@db/x"),
        ("REDIS_URL", "memcached://cache"),
        ("SECRET_KEY_FILE", "/nowhere/key"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(InstallationError, match=name):
        Environment.read({name: value})


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    names = ("PORT", "DEVORA_URL", "DEVORA_STORE_CONTENT", "DATABASE_URL")
    environ = dict.fromkeys(names, "")
    assert Environment.read(environ).url == "http://127.0.0.1:8000"
    assert environ.keys().isdisjoint(names)


def test_a_wrong_url_is_refused_without_showing_its_password() -> None:
    with pytest.raises(InstallationError) as refusal:
        Environment.read({"DATABASE_URL": "mysql://u:hunter2@db/x"})
    assert "hunter2" not in str(refusal.value)
