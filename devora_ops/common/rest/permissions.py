"""Who may call an endpoint: a key by its scopes, a person by their role."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from devora_ops.common.roles import OWNER, ROLE_FOR_SCOPE, Role, Scope, grants, reaches

if TYPE_CHECKING:  # DRF's views import this module
    from rest_framework.views import APIView

# A view that says nothing can be read by whom it should, and changed by nobody else.
_UNSAID: Scope = "admin"
_AS_GET = frozenset({"HEAD", "OPTIONS"})


@runtime_checkable
class KeyCaller(Protocol):
    """What `request.auth` is when an API key called."""

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do."""

    @property
    def name(self) -> str:
        """What the audit calls it."""


class RolePermission(BasePermission):
    """Asks the view for the scope of each method, and for the role where it differs.

    `scopes = {"GET": "read", "POST": "write"}`; `roles = {"POST": "Editor"}` replaces
    the role that usually stands for the scope. A method without a scope needs `admin`.
    `permissions = {"GET": "llm.view_content"}` is what a person needs besides.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Say whether the caller reaches this method of this view."""
        method = request.method or ""
        if not hasattr(view, method.lower()):
            return request.user.is_authenticated  # 405 follows
        scope = _named(view, "scopes", method) or _UNSAID
        if isinstance(request.auth, KeyCaller):
            if not grants(request.auth.scopes, scope):
                raise PermissionDenied(
                    _("The API key lacks the scope %(scope)s.") % {"scope": scope},
                    "insufficient_scope",
                )
            return True
        role: Role = _named(view, "roles", method) or ROLE_FOR_SCOPE.get(scope, OWNER)
        permission = _named(view, "permissions", method)
        return reaches(getattr(request.user, "role", None), role) and (
            permission is None or request.user.has_perm(permission)
        )


class SignedIn(BasePermission):
    """Any key and any person with a role: for what says nothing about the data."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Say whether the caller is known."""
        return isinstance(request.auth, KeyCaller) or bool(
            getattr(request.user, "role", None)
        )


def allows(request: Request, permission: str, *scopes: Scope) -> bool:
    """Say whether a person has a permission, or a key any of some scopes."""
    if isinstance(request.auth, KeyCaller):
        return any(grants(request.auth.scopes, scope) for scope in scopes)
    return request.user.has_perm(permission)


def caller_name(request: Request) -> str:
    """Return who is calling, as audit entries and idempotency records name them."""
    if isinstance(request.auth, KeyCaller):
        return request.auth.name
    return f"user:{request.user.get_username()}"


def _named(view: "APIView", attribute: str, method: str) -> Any:
    names = getattr(view, attribute, None) or {}
    return names.get("GET" if method in _AS_GET else method)
