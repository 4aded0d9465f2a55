"""The frame around every page: the sidebar, the badge beside it, the command search."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from costs.models import Call
from devora_ops.common.models import Team
from devora_ops.dashboard.filters import parse
from devora_ops.dashboard.links import calls_url, overview_url
from llm.models import Provider

_BADGE_S = 30


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the sidebar: a named page, seen by whoever holds the permission."""

    title: str | Promise
    icon: str
    name: str
    permission: str


def _list(title: str | Promise, icon: str, label: str) -> Page:
    app, model = label.split(".")
    return Page(title, icon, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")


SECTIONS: Final[tuple[tuple[str | Promise, tuple[Page, ...]], ...]] = (
    (
        gettext_lazy("Monitor"),
        (
            Page(
                gettext_lazy("Overview"),
                "monitoring",
                "dashboard:overview",
                "costs.view_call",
            ),
            _list(gettext_lazy("Calls"), "list_alt", "costs.call"),
            Page(
                gettext_lazy("Explain the bill"),
                "receipt_long",
                "dashboard:explain",
                "costs.view_call",
            ),
            Page(
                gettext_lazy("Check an invoice"),
                "fact_check",
                "dashboard:invoices",
                "costs.view_call",
            ),
            Page(
                gettext_lazy("What if"),
                "calculate",
                "dashboard:what-if",
                "costs.view_call",
            ),
            _list(gettext_lazy("Budgets"), "account_balance_wallet", "costs.budget"),
            _list(gettext_lazy("Alerts"), "notifications", "costs.alert"),
            _list(gettext_lazy("Holds"), "savings", "costs.hold"),
            Page(gettext_lazy("Digest"), "mail", "dashboard:digest", "costs.view_call"),
            _list(gettext_lazy("Price book"), "sell", "costs.price"),
        ),
    ),
    (
        gettext_lazy("Build"),
        (
            _list(gettext_lazy("Prompts"), "edit_note", "prompts.prompt"),
            _list(gettext_lazy("Experiments"), "experiment", "experiments.experiment"),
            _list(gettext_lazy("Corpora"), "library_books", "rag.corpus"),
            _list(gettext_lazy("Documents"), "article", "rag.document"),
        ),
    ),
    (
        gettext_lazy("Platform"),
        (
            _list(gettext_lazy("Agents"), "smart_toy", "llm.agent"),
            _list(gettext_lazy("API keys"), "vpn_key", "llm.apikey"),
            _list(gettext_lazy("Providers"), "dns", "llm.provider"),
            _list(gettext_lazy("Models"), "memory", "llm.model"),
            _list(gettext_lazy("Routes"), "alt_route", "llm.route"),
            _list(gettext_lazy("Circuit breakers"), "bolt", "llm.breaker"),
            _list(gettext_lazy("Users"), "group", "ops.user"),
            _list(gettext_lazy("Teams"), "groups", "ops.team"),
            _list(gettext_lazy("Audit log"), "history", "ops.auditentry"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sections with the pages that exist and that this person may see."""
    return [
        {
            "title": title,
            "items": [
                _entry(page, url, request) for page, url in _seen(pages, request)
            ],
        }
        for title, pages in SECTIONS
    ]


def _seen(pages: Iterable[Page], request: HttpRequest) -> Iterable[tuple[Page, str]]:
    for page in pages:
        if request.user.has_perm(page.permission):
            try:
                yield page, reverse(page.name)
            except NoReverseMatch:
                continue  # this floor has no such page in this version


def _entry(page: Page, url: str, request: HttpRequest) -> dict[str, Any]:
    # By hand: Unfold takes "/" for a part of every address.
    active = request.path == url or (url != "/" and request.path.startswith(url))
    link = _with_filters(page, url, request)
    return {"title": page.title, "icon": page.icon, "link": link, "active": active}


def _with_filters(page: Page, url: str, request: HttpRequest) -> str:
    """Return the link with the filters of this page that the other one understands."""
    here = request.resolver_match.view_name if request.resolver_match else ""
    match page.name, here:
        case "dashboard:overview", "admin:costs_call_changelist":
            return overview_url(request.GET)
        case "admin:costs_call_changelist", "dashboard:overview":
            return calls_url(parse(request.GET))
        case _:
            return url


def environment(request: HttpRequest) -> list[str]:
    """Return the badge beside the title: where the numbers of this page come from."""
    kind = cache.get_or_set("dashboard:environment", _environment, _BADGE_S)
    match kind:
        case "demo":
            return [_("Demo data"), "warning"]
        case "no-key":
            return [_("No provider key"), "danger"]
        case _:
            return [_("Production"), "success"]


def _environment() -> str:
    demo = Team.objects.filter(is_demo=True).values("slug")
    if demo and Call.objects.filter(team__in=[row["slug"] for row in demo]).exists():
        return "demo"
    # The built-in simulator has a key too, yet its answers are nobody's production.
    real = Provider.objects.filter(is_active=True).exclude(slug="simulator")
    keyed = real.exclude(sealed_secret="")
    return "keyed" if keyed.exists() else "no-key"


def pages_named(request: HttpRequest, term: str) -> Iterable[tuple[Page, str, str]]:
    """Return the pages whose title holds a term, each with its address and section."""
    for section, pages in SECTIONS:
        for page, url in _seen(pages, request):
            if term in str(page.title).lower():
                yield page, url, str(section)


def stylesheet(request: HttpRequest) -> str:
    """Return the address of our style sheet."""
    return static("css/devora.css")


def favicon(request: HttpRequest) -> str:
    """Return the address of the icon."""
    return static("img/favicon.svg")


def keyboard_script(request: HttpRequest) -> str:
    """Return the address of what every page understands of the keyboard."""
    return static("js/keyboard.js")


def frame_script(request: HttpRequest) -> str:
    """Return the address of what makes the frame's own controls work by keyboard."""
    return static("js/frame.js")
