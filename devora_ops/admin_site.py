"""The one admin site: Unfold's frame around the admin and the dashboard."""

import time
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect
from unfold.dataclasses import SearchResult
from unfold.sites import UnfoldAdminSite

from devora_ops.common.models import User
from devora_ops.common.people import complete_profile
from devora_ops.dashboard.clocks import zone_of
from devora_ops.dashboard.navigation import pages_named

View = Callable[..., HttpResponseBase]

_MOST_RESULTS = 50
_LONGEST_TERM = 100
# Models of which there are few: a search reads all that match.
_SEARCHED = (
    "llm.agent",
    "llm.model",
    "llm.provider",
    "llm.route",
    "costs.budget",
    "prompts.prompt",
    "experiments.experiment",
    "rag.corpus",
    "ops.team",
)


class DevoraAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # Unfold has no types
    """What `django.contrib.admin.site` is in this project."""

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap a page: only for staff, and in the person's own time zone."""
        inner = super().admin_view(_in_own_time_zone(view), cacheable)

        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.htmx and not self.has_permission(request):  # type: ignore[attr-defined]
                # A panel must not be filled with the login form.
                return HttpResponseClientRedirect(reverse("admin:login"))
            response: HttpResponseBase = inner(request, *args, **kwargs)
            return response

        return update_wrapper(page, view)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the Overview: it is the first page."""
        return redirect("dashboard:overview")

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Sign in, and speak the person's language from here on."""
        response: HttpResponse = super().login(request, extra_context)
        user = request.user
        if isinstance(user, User):
            _complete(request, user)
            if user.language != get_language():
                response.set_cookie(settings.LANGUAGE_COOKIE_NAME, user.language)
        return response

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Answer Ctrl+K: pages, kinds of things and things, by name.

        Unfold's own caches dataclasses, which a JSON cache cannot hold, and passes on
        a NUL or a page that is no number.
        """
        term = request.GET.get("s", "").replace("\0", "").strip().lower()
        if not term:
            return HttpResponse()
        began = time.perf_counter()
        found = self._found(request, term[:_LONGEST_TERM])[:_MOST_RESULTS]
        paginator = Paginator(found, _MOST_RESULTS)
        template = "command" if "extended" in request.GET else "search"
        context = {
            "page_obj": paginator,
            "results": paginator.page(1),
            "page_counter": 0,
            "execution_time": time.perf_counter() - began,
            "command_show_history": False,
        }
        return TemplateResponse(
            request,
            f"unfold/helpers/{template}_results.html",
            context,
            headers={"HX-Trigger": "search"},
        )

    def _found(self, request: HttpRequest, term: str) -> list[SearchResult]:
        pages = [
            SearchResult(str(page.title), section, url, page.icon)
            for page, url, section in pages_named(request, term)
        ]
        apps = self.get_app_list(request)
        things: list[SearchResult] = self._search_models(request, apps, term, _SEARCHED)
        return pages + things


def _complete(request: HttpRequest, user: User) -> None:
    """Take from the browser what the profile lacks, and say which clock is shown."""
    zone = request.POST.get("time_zone", "")
    if complete_profile(user, language=get_language() or "en", zone=zone):
        told = _("Times are shown for %(zone)s; your profile can say otherwise.")
        shown = user.time_zone or str(zone_of(""))
        messages.info(request, told % {"zone": shown}, fail_silently=True)


def _in_own_time_zone(view: View) -> View:
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        zone = zone_of(getattr(request.user, "time_zone", ""))
        with timezone.override(zone):
            response = view(request, *args, **kwargs)
            # Templates tell the time as well, so they are drawn before the zone ends.
            if isinstance(response, TemplateResponse) and not response.is_rendered:
                response.render()
        return response

    return update_wrapper(inner, view)
