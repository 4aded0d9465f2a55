"""Servers of the user's own: checked before anything relies on them."""

import os
import socketserver
import threading
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from devora_ops.embedded import InstallationError
from devora_ops.embedded.ports import free_port
from devora_ops.installation.external import check_postgres, check_redis

_OLD = b"redis_version:5.0.7\r\nmaxmemory_policy:noeviction\r\n"


class _OldRedis(socketserver.StreamRequestHandler):
    """Answers INFO as Redis 5 does, and OK to everything else."""

    def handle(self) -> None:
        while count := self.rfile.readline():
            words = [
                (self.rfile.readline(), self.rfile.readline())[1].strip().upper()
                for _ in range(int(count[1:]))
            ]
            if words[0] == b"INFO":
                self.wfile.write(b"$%d\r\n%s\r\n" % (len(_OLD), _OLD))
            elif words[0] == b"HELLO":
                self.wfile.write(b"-ERR unknown command `HELLO`\r\n")
            else:
                self.wfile.write(b"+OK\r\n")


@pytest.fixture
def old_redis() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _OldRedis) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_suites_own_servers_pass() -> None:
    check_postgres(os.environ["DATABASE_URL"])
    check_redis(os.environ["REDIS_URL"])


def test_a_postgres_that_nobody_runs_is_one_sentence() -> None:
    with pytest.raises(InstallationError, match=r"refused\.$") as refusal:
        check_postgres(f"postgres://u:hunter2@127.0.0.1:{free_port()}/x")
    assert str(refusal.value).startswith("DATABASE_URL (127.0.0.1/x): ")


def test_a_wrong_password_is_said_and_not_shown() -> None:
    url = make_conninfo(os.environ["DATABASE_URL"], password="hunter2")
    with pytest.raises(InstallationError, match="authentication failed") as refusal:
        check_postgres(url)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_database_that_does_not_exist_is_said() -> None:
    url = make_conninfo(os.environ["DATABASE_URL"], dbname="nowhere")
    with pytest.raises(InstallationError, match='"nowhere" does not exist'):
        check_postgres(url)


def test_a_redis_that_nobody_runs_is_one_sentence() -> None:
    with pytest.raises(InstallationError, match=r"REDIS_URL \(127\.0\.0\.1\)"):
        check_redis(f"redis://:hunter2@127.0.0.1:{free_port()}/0")


def test_a_redis_that_is_too_old_is_said(old_redis: int) -> None:
    with pytest.raises(InstallationError, match=r"is Redis 5\.0\.7: 6\.2 or newer"):
        check_redis(f"redis://127.0.0.1:{old_redis}/0?protocol=2")
