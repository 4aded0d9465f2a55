"""Who may do what: the one matrix of roles, scopes and model permissions.

`manage.py migrate` brings the Django groups in line with it; REST views ask it for
the role behind a scope; the sidebar and the admin follow the groups' permissions.
"""

from typing import Final, Literal

Role = Literal["Viewer", "Editor", "Owner"]
Scope = Literal["call", "read", "write", "admin"]

VIEWER: Final[Role] = "Viewer"
EDITOR: Final[Role] = "Editor"
OWNER: Final[Role] = "Owner"
ROLES: Final[tuple[Role, ...]] = (VIEWER, EDITOR, OWNER)

# The role a person needs where an API key would need the scope.
ROLE_FOR_SCOPE: Final[dict[Scope, Role]] = {
    "read": VIEWER,
    "call": EDITOR,
    "write": EDITOR,
    "admin": OWNER,
}

_VIEWED = (
    "ops.team",
    "costs.alert",
    "costs.call",
    "costs.attempt",
    "costs.budget",
    "costs.hold",
    "costs.price",
    "llm.agent",
    "llm.breaker",
    "llm.model",
    "llm.provider",
    "llm.route",
    "llm.routetarget",
    "prompts.prompt",
    "prompts.promptversion",
    "prompts.label",
    "rag.corpus",
    "rag.document",
    "experiments.experiment",
    "experiments.variant",
)
_EDITED = (
    "costs.budget",
    "costs.price",
    "prompts.prompt",
    "prompts.promptversion",
    "prompts.label",
    "rag.corpus",
    "rag.document",
    "experiments.experiment",
    "experiments.variant",
)
_OWNED = (
    "ops.user",
    "ops.team",
    "llm.agent",
    "llm.apikey",
    "llm.breaker",
    "llm.model",
    "llm.provider",
    "llm.route",
    "llm.routetarget",
)


def _permissions(models: tuple[str, ...], *actions: str) -> frozenset[str]:
    return frozenset(
        f"{label}.{action}_{model}"
        for label, model in (name.split(".") for name in models)
        for action in actions
    )


_VIEWER = _permissions(_VIEWED, "view")
_EDITOR = (
    _VIEWER | _permissions(_EDITED, "add", "change", "delete") | {"llm.view_content"}
)
_OWNER = (
    _EDITOR
    | _permissions(_OWNED, "view", "add", "change", "delete")
    | _permissions(("ops.auditentry",), "view")
)

# role → permissions as `app_label.codename`.
PERMISSIONS: Final[dict[Role, frozenset[str]]] = {
    VIEWER: _VIEWER,
    EDITOR: _EDITOR,
    OWNER: _OWNER,
}


def reaches(held: Role | None, needed: Role) -> bool:
    """Say whether a role includes another: Owner ⊃ Editor ⊃ Viewer."""
    return held is not None and ROLES.index(held) >= ROLES.index(needed)


def grants(scopes: frozenset[str], needed: Scope) -> bool:
    """Say whether a key's scopes include one; `admin` implies the others."""
    return "admin" in scopes or needed in scopes
