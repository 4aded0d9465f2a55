"""Two editors at once: one version, one conflict, never two with the same number."""

import threading
import time
import uuid

from django.db import connection, transaction

from devora_ops.common.errors import Conflict
from prompts.services import prompt_create, version_create
from tests.prompts.conftest import GREETING


def _wait_for_a_blocked_insert() -> None:
    waiting = (
        "SELECT count(*) FROM pg_locks "
        "WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    )
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            if cursor.execute(waiting).fetchone() != (0,):
                return
    raise AssertionError("the second editor does not wait for the first")


def test_c089_two_editors_who_save_at_once_get_one_version_and_one_conflict(
    committed_db,
):
    prompt = prompt_create(
        slug=f"p-{uuid.uuid4().hex[:8]}",
        name="P",
        definition=GREETING,
        actor="user:ada",
    )
    refusals: list[Conflict] = []

    def save_second() -> None:
        try:
            version_create(prompt=prompt, definition={}, actor="user:bo")
        except Conflict as conflict:
            refusals.append(conflict)
        finally:
            connection.close()

    second = threading.Thread(target=save_second)
    with transaction.atomic():
        version_create(prompt=prompt, definition={}, actor="user:ada")
        second.start()
        _wait_for_a_blocked_insert()
    second.join()
    assert [conflict.status for conflict in refusals] == [409]
    assert sorted(prompt.versions.values_list("number", flat=True)) == [1, 2]
