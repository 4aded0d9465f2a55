"""Every address of the control plane; the data plane's are the gateway's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("devora_ops.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("devora_ops.api_urls")),
]

handler400 = "devora_ops.common.error_pages.bad_request"
handler403 = "devora_ops.common.error_pages.permission_denied"
handler404 = "devora_ops.common.error_pages.page_not_found"
handler500 = "devora_ops.common.error_pages.server_error"
