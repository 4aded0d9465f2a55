#!/usr/bin/env python3
"""Every command of an installation; `manage.py help` lists them, `up` runs it all."""

from __future__ import annotations  # read by Pythons that are too old, to be told so

import importlib.util
import os
import sys

_PYTHONS = "Python 3.11, 3.12 or 3.13"
_VENV = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".venv")


def main(argv: list[str]) -> int:
    """Prepare the environment, then run the command."""
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    if not fits or importlib.util.find_spec("django") is None:
        _go_on_in_venv(argv)
    if not fits:
        return _refuse(
            f"Devora Ops needs {_PYTHONS}; this is {sys.version.split()[0]}."
        )
    try:
        from devora_ops import doctor, up
    except ModuleNotFoundError as error:
        return _refuse(f"{error}: run `make run` once, then use .venv/bin/python.")
    if argv[1:] == ["up"]:
        return up.run()
    if argv[1:] == ["doctor"]:
        return doctor.run()
    return _run(argv)


def _go_on_in_venv(argv: list[str]) -> None:
    """Become the Python that `make` has made, unless we are it or there is none."""
    python = os.path.join(_VENV, "bin", "python")
    if os.path.exists(python) and sys.prefix != _VENV:
        os.execv(python, [python, __file__] + argv[1:])


def _run(argv: list[str]) -> int:
    """Run one of Django's commands, with servers when it needs them."""
    from devora_ops.embedded import InstallationError
    from devora_ops.installation.commands import prepared

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "devora_ops.settings")
    try:
        with prepared(argv):
            from django.core.management import execute_from_command_line

            import devora_ops.celery  # noqa: F401  what commands enqueue goes to Redis

            execute_from_command_line(argv)
    except InstallationError as error:
        return _refuse(str(error))
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
