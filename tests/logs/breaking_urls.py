"""Our addresses, and two that break as no view of ours should."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.views import APIView

from devora_ops import urls
from devora_ops.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class Breaking(APIView):
    """Breaks with what the caller sent in its trace."""

    permission_classes = ()

    def post(self, request):
        """Break."""
        raise RuntimeError("broken on purpose")


def breaking_page(request):
    """Break, after somebody was asked for."""
    raise RuntimeError(f"broken on purpose for {request.user.pk}")


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/breaking/", Breaking.as_view()),
    path("breaking/", breaking_page),
    *urls.urlpatterns,
]
