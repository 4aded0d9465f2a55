"""`.venv-peers`: other people's gateways, apart from everything that we run.

Made once from peers.lock, by hash and from wheels alone: nothing is built, so no
stranger's code runs before it is measured.
"""

import hashlib
import subprocess
import sys
import venv

from benchmarks.stage import ROOT, BenchmarkError

FOLDER = ROOT / ".venv-peers"
PYTHON = FOLDER / "bin" / "python"
_LOCK = ROOT / "benchmarks" / "peers.lock"
_STAMP = FOLDER / ".peers.lock"
_LOG = FOLDER / "install.log"
# Our own environment's pip, working on the other one, which has none.
_PIP = (
    *(sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--quiet"),
    *("--no-input", "--disable-pip-version-check", "--no-compile", "--no-deps"),
    *("--require-hashes", "--only-binary", ":all:", "--requirement", str(_LOCK)),
)


def install_peers() -> None:
    """Make the environment where it is not what the lock says; raises BenchmarkError."""
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    sys.stderr.write(
        "Installing LiteLLM's proxy into .venv-peers, once; this takes a minute.\n"
    )
    venv.create(FOLDER, clear=True, symlinks=True, with_pip=False)
    with _LOG.open("wb") as log:
        code = subprocess.call(_PIP, stdout=log, stderr=log, cwd=ROOT)
    if code != 0:
        raise BenchmarkError(
            f"LiteLLM's proxy could not be installed ({_why()}), so nothing was "
            "measured: is the package index reachable, and has it wheels for this "
            f"Python? All of it is in {_LOG}."
        )
    _STAMP.write_text(wanted)


def _why() -> str:
    lines = _LOG.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip said nothing"])[-1].removeprefix("ERROR: ")
