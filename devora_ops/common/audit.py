"""Writing the audit trail; called by services inside their own transaction."""

from typing import Any

from devora_ops.common.models import AuditEntry


def record(
    *,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    before: Any = None,
    after: Any = None,
    request_id: str = "",
) -> None:
    """Add one entry. before and after: JSON values without secrets."""
    AuditEntry.objects.create(
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        before=before,
        after=after,
        request_id=request_id,
    )
