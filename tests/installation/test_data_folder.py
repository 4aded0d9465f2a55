"""The data folder, its secrets and its lock."""

import os
import stat
from pathlib import Path

import pytest

from devora_ops.embedded import InstallationError
from devora_ops.installation.folder import DataFolder
from devora_ops.installation.secret_file import AGENT_KEY


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_secrets_are_ours_alone(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "a b" / "data")
    assert folder.secrets["SECRET_KEY"]
    assert _mode(folder.path) == 0o700
    assert _mode(folder.path / "secrets") == 0o600


def test_secrets_are_made_once_and_what_is_added_stays(tmp_path: Path) -> None:
    first = DataFolder.open(tmp_path).secrets
    first.keep(AGENT_KEY, "dvo_live_example")
    second = DataFolder.open(tmp_path).secrets
    assert second.values == first.values
    assert second[AGENT_KEY] == "dvo_live_example"


def test_the_environment_wins_over_the_secrets(tmp_path: Path) -> None:
    environ = {"SECRET_KEY": "mine", "DEVORA_FIELD_KEYS": ""}
    secrets = DataFolder.open(tmp_path).secrets
    secrets.export(environ)
    assert environ["SECRET_KEY"] == "mine"
    assert environ["DEVORA_FIELD_KEYS"] == secrets["DEVORA_FIELD_KEYS"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(InstallationError, match=r"holds thesis\.docx"):
        DataFolder.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_database_without_its_secrets_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").touch()
    with pytest.raises(InstallationError, match="put it back from your backup"):
        DataFolder.open(tmp_path)


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(InstallationError, match="cannot be used"):
        DataFolder.open(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InstallationError, match="cannot be used"):
        DataFolder.open(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    assert DataFolder.open(tmp_path).secrets.values
    os.chown(tmp_path / "secrets", 12345, 12345)
    with pytest.raises(InstallationError, match="belongs to the user number 12345"):
        DataFolder.open(tmp_path)


def test_only_one_holds_it_and_tells_the_others(tmp_path: Path) -> None:
    ours, theirs = DataFolder.open(tmp_path), DataFolder.open(tmp_path)
    with ours.locked() as mine:
        assert mine
        ours.announce(shared=True)
        with theirs.locked() as also_mine:
            assert not also_mine
        assert theirs.holder == str(os.getpid())
        assert theirs.running["shared"] is True
    assert theirs.running == {}


def test_it_is_known_whether_the_last_holder_was_killed(tmp_path: Path) -> None:
    first, second = DataFolder.open(tmp_path), DataFolder.open(tmp_path)
    with first.locked():
        assert not first.was_killed
    (tmp_path / "running.json").write_text('{"pid": 1}')
    with second.locked():
        assert second.was_killed
        assert second.running == {}


def test_a_damaged_state_is_as_good_as_none(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    folder.remember(demo="loaded")
    assert folder.state == {"demo": "loaded"}
    (tmp_path / "state.json").write_text("{")
    assert folder.state == {}
