"""The command `price_usage` as a user calls it, on a machine that has no database."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.installation_under_test import ROOT

_SERVICES = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


def run(lines: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Price lines; data: where the command may keep the keys it makes."""
    environment = {
        name: value for name, value in os.environ.items() if name not in _SERVICES
    }
    return subprocess.run(
        [sys.executable, "manage.py", "price_usage"],
        input=lines,
        cwd=ROOT,
        env={**environment, "DEVORA_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def written(row: Mapping[str, Any]) -> str:
    """Return a row as JSON whose Decimals are numbers with all their digits."""
    text = json.dumps(row, default=lambda amount: f"<{amount}>")
    return text.replace('"<', "").replace('>"', "")
