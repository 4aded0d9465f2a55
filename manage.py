#!/usr/bin/env python3
"""Every command of an installation; `manage.py help` lists them, `up` runs it all."""

from __future__ import annotations  # read by Pythons that are too old, to be told so

import os
import sys

_PYTHONS = "Python 3.11, 3.12 or 3.13"


def main(argv: list[str]) -> int:
    """Prepare the environment, then run the command."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return _refuse(
            f"Devora Ops needs {_PYTHONS}; this is {sys.version.split()[0]}."
        )
    try:
        from devora_ops.embedded import InstallationError
        from devora_ops.installation.commands import prepared
    except ModuleNotFoundError as error:
        return _refuse(f"{error}: run `make run` once, then use .venv/bin/python.")
    if argv[1:] == ["up"]:
        from devora_ops import up

        return up.run()
    if argv[1:] == ["doctor"]:
        from devora_ops import doctor

        return doctor.run()
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
