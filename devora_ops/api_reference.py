"""The API's description of itself: the schema for programs, a page for people."""

import functools
from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView

from devora_ops.common.rest.permissions import SignedIn


class Generator(SchemaGenerator):
    """Generates once a process and language: it takes half a second of CPU."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        """Return the schema, the same for everybody."""
        return _generate(get_language())


@functools.cache
def _generate(language: str | None) -> Any:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return generator.get_schema(public=True)  # type: ignore[no-untyped-call]


@extend_schema(exclude=True)
class ApiSchema(SpectacularAPIView):
    """The OpenAPI schema; any key and any person with a role may read it."""

    permission_classes = (SignedIn,)
    generator_class = Generator


@staff_member_required(login_url="admin:login")  # type: ignore[untyped-decorator]
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the reference; its assets are our own and no script is inline."""
    return render(request, "api/docs.html")
