"""What `make` does first, with a package made here instead of an index."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from devora_ops.installation.environment import ROOT

_METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Project:
    """A folder with the installing script, a lock, and the one wheel there is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "devora_ops" / "dependencies.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(ROOT / "devora_ops" / "dependencies.py", self.script)
        self.lock = folder / "requirements.lock"
        self.unfinished = folder / ".venv" / ".unfinished"
        self.lock_wheel("tiny")

    def lock_wheel(self, name: str) -> None:
        """Pin a package by the hash of the wheel; only `tiny` can be had."""
        wheel = self.folder / "tiny-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("tiny.py", "")
            archive.writestr("tiny-1.0.dist-info/METADATA", _METADATA)
            archive.writestr("tiny-1.0.dist-info/WHEEL", _WHEEL)
            archive.writestr("tiny-1.0.dist-info/RECORD", "")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.lock.write_text(f"{name}==1.0 --hash=sha256:{digest}\n")
        (self.folder / "requirements-pip.lock").write_text("")

    def install(self) -> subprocess.CompletedProcess[str]:
        index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.folder.as_uri()}
        return subprocess.run(
            [sys.executable, "-I", str(self.script), self.lock.name],
            env=os.environ | index,
            capture_output=True,
            text=True,
            check=False,
        )

    def has_tiny(self) -> bool:
        return self.can_import("tiny")

    def can_import(self, module: str) -> bool:
        """Whether a script that lies elsewhere could."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.call([python, "-c", f"import {module}"], cwd="/") == 0


def test_it_installs_once_says_what_is_missing_and_redoes_what_broke(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path / "a project")
    first = project.install()
    assert first.returncode == 0, first.stderr
    assert project.has_tiny()
    assert project.can_import("devora_ops.dependencies")

    again = project.install()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    project.lock_wheel("absent")
    refused = project.install()
    assert refused.returncode == 1
    assert "No matching distribution found for absent==1.0" in refused.stderr
    assert "Traceback" not in refused.stderr

    project.lock_wheel("tiny")
    assert project.unfinished.exists()
    assert project.install().returncode == 0
    assert project.has_tiny()
    assert not project.unfinished.exists()
