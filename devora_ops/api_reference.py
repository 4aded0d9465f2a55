"""The API's description of itself: the schema for programs, a page for people."""

from typing import Any, ClassVar

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView

from devora_ops.common.rest.permissions import SignedIn


@extend_schema(exclude=True)
class ApiSchema(SpectacularAPIView):
    """The OpenAPI schema; any key and any person with a role may read it."""

    permission_classes: ClassVar[list[Any]] = [SignedIn]


@staff_member_required(login_url="admin:login")
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the reference; its assets are our own and no script is inline."""
    return render(request, "api/docs.html")
