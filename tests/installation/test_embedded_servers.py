"""The embedded Postgres and Redis: real servers in a folder whose path has a space."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from devora_ops.embedded import EmbeddedPostgres, EmbeddedRedis, InstallationError

PASSWORD = "it's a p/w: ä"

_PARENT = """
import sys, time
from pathlib import Path
from devora_ops.embedded import EmbeddedPostgres, EmbeddedRedis
folder = Path(sys.argv[1])
with EmbeddedPostgres(folder / "postgres", durable=False) as postgres:
    with EmbeddedRedis(folder) as redis:
        print(postgres.process.pid, redis.process.pid, flush=True)
        print(postgres.run_dir, redis.run_dir, flush=True)
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="a folder "))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data(folder: Path) -> Path:
    """A cluster's folder; made by the first test that starts it."""
    return folder / "postgres"


def _value(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def test_postgres_has_pgvector_and_keeps_what_was_written(data: Path) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as first:
        _value(first.url, "CREATE TABLE kept AS SELECT '[1,2]'::vector AS v")
        run_dir = first.run_dir
    assert not run_dir.exists()
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as second:
        assert _value(second.url, "SELECT v <-> '[1,3]' FROM kept") == 1.0


def test_postgres_listens_on_no_port_and_its_role_is_no_superuser(data: Path) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as postgres:
        assert _value(postgres.url, "SHOW listen_addresses") == ""
        assert _value(postgres.url, "SHOW is_superuser") == "off"
        assert _value(postgres.url, "SHOW max_connections") == "200"


def test_a_wrong_password_does_not_open_it(data: Path) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as postgres:
        wrong = EmbeddedPostgres(data, password="guess")
        url = wrong.url.replace(str(wrong.run_dir), str(postgres.run_dir))
        wrong.stop()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url)


def test_a_database_made_later_has_pgvector_too(data: Path) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as postgres:
        _value(postgres.url, "DROP DATABASE IF EXISTS later")
        _value(postgres.url, "CREATE DATABASE later")
        url = postgres.url.replace("/devora?", "/later?")
        assert _value(url, "SELECT '[3]'::vector::text") == "[3]"


def test_a_killed_server_is_started_again_on_its_data(data: Path) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as postgres:
        assert postgres.process is not None
        postgres.process.kill()
        postgres.process.wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # its children take a moment to go
            postgres.launch()
            try:
                postgres.finish()
                break
            except InstallationError:
                continue
        assert _value(postgres.url, "SELECT 1") == 1


def test_a_stale_pid_file_of_somebody_elses_process_does_not_stop_it(
    data: Path,
) -> None:
    with EmbeddedPostgres(data, password=PASSWORD, durable=False):
        lines = (data / "postmaster.pid").read_text().splitlines()
    (data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
    with EmbeddedPostgres(data, password=PASSWORD, durable=False) as postgres:
        assert _value(postgres.url, "SELECT 1") == 1


def test_a_cluster_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(InstallationError, match="made by Postgres 14"):
        EmbeddedPostgres(tmp_path / "postgres")


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InstallationError, match="no Postgres cluster"):
        EmbeddedPostgres(tmp_path)


def test_a_cluster_that_was_never_finished_is_made_anew(tmp_path: Path) -> None:
    broken = tmp_path / "postgres.new"
    broken.mkdir()
    (broken / "half").touch()
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as postgres:
        assert _value(postgres.url, "SELECT 1") == 1
    assert not broken.exists()


def test_redis_needs_its_password_and_evicts_only_what_may_expire(
    tmp_path: Path,
) -> None:
    with EmbeddedRedis(tmp_path, password="s3cret") as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.config_get("maxmemory-policy") == {
                "maxmemory-policy": "volatile-lru"
            }
            assert client.config_get("save") == {"save": ""}
        stranger = redis.Redis(port=server.port)
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells only Linux's")
def test_no_server_outlives_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    servers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    left = parent.stdout.readline().decode().split()
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert len(servers) == 2
    _, alive = psutil.wait_procs(servers, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    for folder in left:  # the next run on a data folder does this
        shutil.rmtree(folder)
