"""A call's page with what was said: the ledger, a floor below, knows no texts."""

import uuid
from typing import Any, Final

import orjson
from django.http import HttpRequest

from costs.admin_calls import CallAdmin
from costs.models import Call
from devora_ops.common.rest.middleware import request_id
from llm.selectors import parsed
from llm.services import content_read

# A page with more would be of no use; the API has all of it.
_LONGEST: Final = 200_000


class CallWithContentAdmin(CallAdmin):
    """Calls, with their content for those who may read it."""

    change_form_after_template = "admin/llm/call.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show a call with its attempts and, if one may read it, its content."""
        call = self.get_object(request, object_id)
        readable = request.user.has_perm("llm.view_content")
        context = {**(extra_context or {}), "content_readable": readable}
        if readable and isinstance(call, Call) and self.has_view_permission(request):
            context["said"] = _said(request, call.id)
        return super().change_view(request, object_id, form_url, context)


def _said(request: HttpRequest, call_id: uuid.UUID) -> dict[str, str] | None:
    content = content_read(
        call_id=call_id,
        actor=f"user:{request.user.get_username()}",
        request_id=request_id(request),
    )
    if content is None:
        return None
    return {"request": _shown(content.request), "response": _shown(content.response)}


def _shown(body: str) -> str:
    value = parsed(body)
    if not isinstance(value, str):
        value = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
