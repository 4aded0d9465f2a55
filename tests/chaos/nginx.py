"""nginx with the configuration that the repository ships, in front of a web process."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from devora_ops.embedded.ports import free_port
from tests.installation_under_test import ROOT
from tests.provisioning import wait_until

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx(
    folder: Path, *, upstream: int, faster: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run it before a port; yields its own.

    faster: lines of the configuration and what replaces them, where a test has no time.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(_adapted(folder, port, upstream, faster or {}))
    pid = f"daemon off; pid {folder / 'nginx.pid'}; error_log {folder / 'error.log'};"
    with (folder / "stderr.log").open("w") as log:
        process = subprocess.Popen(
            [str(PROGRAM), "-c", str(path), "-p", str(folder), "-g", pid], stderr=log
        )
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "stderr.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _adapted(folder: Path, port: int, upstream: int, faster: Mapping[str, str]) -> str:
    """Return the configuration with what has to be this machine's, and without TLS."""
    places = "".join(f"    {it}_temp_path {folder / it};\n" for it in _TEMPORARY)
    changes = {
        "user www-data;": "user root;" if os.geteuid() == 0 else "",
        "http {\n": f"http {{\n    access_log off;\n{places}",
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen [::]:80;": "",
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "listen [::]:443 ssl sndbuf=128k;": "",
        "ssl_certificate     /etc/ssl/ops.example.com/fullchain.pem;": "",
        "ssl_certificate_key /etc/ssl/ops.example.com/privkey.pem;": "",
        **faster,
    }
    text = CONFIGURATION.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/healthz")
    except httpx.HTTPError:
        return False
    return True
