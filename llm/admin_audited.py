"""The base of admin classes whose rows have no service of their own."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from devora_ops.common import audit
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.rest.middleware import request_id


class AuditedAdmin(SafeModelAdmin):
    """For plain rows without rules of their own: the form writes, the audit knows."""

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Save it and say so in the audit."""
        super().save_model(request, obj, form, change)
        self._record(request, obj, "change" if change else "create", form.changed_data)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it and say so in the audit."""
        self._record(request, obj, "delete", [])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete each for itself, so that the audit knows each."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _record(
        self, request: HttpRequest, obj: Any, verb: str, fields: list[str]
    ) -> None:
        audit.record(
            actor=request.user.get_username(),
            action=f"{self.opts.model_name}.{verb}",
            object_type=self.opts.label_lower,
            object_id=str(obj),
            after={name: str(getattr(obj, name, "")) for name in fields},
            request_id=request_id(request),
        )
