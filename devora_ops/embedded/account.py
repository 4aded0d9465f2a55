"""The unprivileged account that the embedded servers run as when we are root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass

NAME = "devora-db"

# Tried in this order when no account can be made (a read-only /etc): the servers have
# passwords, and folders that only their owner enters, so a shared one still serves.
_STAND_INS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system user's numbers."""

    name: str
    uid: int
    gid: int


def account_for_servers(owner_uid: int | None = None) -> Account | None:
    """Return whom to run as; None unless we are root.

    Postgres refuses to run as root. owner_uid: who owns a cluster made earlier.
    """
    if os.geteuid() != 0:
        return None
    if owner_uid:
        return _known(owner_uid) or Account(str(owner_uid), owner_uid, owner_uid)
    return _named(NAME) or _made() or next(filter(None, map(_named, _STAND_INS)), None)


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _known(uid: int) -> Account | None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _made() -> Account | None:
    """Make the account with whichever tool this system has."""
    commands = (
        ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", NAME],
        ["adduser", "-S", "-D", "-H", NAME],
    )
    for command in commands:
        if shutil.which(command[0]):
            subprocess.run(command, capture_output=True, check=False)
        if account := _named(NAME):
            return account
    return None
