"""Agents, keys, providers, models and routes in the admin; rules are in the services."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from costs.models import Call
from devora_ops.common import apikeys
from devora_ops.common.forms import SafeModelAdmin
from llm.admin_audited import AuditedAdmin
from llm.admin_content import CallWithContentAdmin
from llm.admin_routes import RouteAdmin
from llm.forms import ApiKeyForm, ModelForm, ProviderForm
from llm.models import (
    Agent,
    ApiKey,
    Breaker,
    KeyUse,
    Model,
    Provider,
    Route,
)
from llm.services import (
    LIMITS,
    apikey_create,
    apikey_revoke,
    apikey_rotate,
    model_ensure,
    provider_ensure,
)

_OVERLAP = dt.timedelta(days=1)

admin.site.unregister(Call)
admin.site.register(Call, CallWithContentAdmin)
admin.site.register(Route, RouteAdmin)


@admin.register(Agent)
class AgentAdmin(AuditedAdmin):
    """Who calls."""

    list_display = ("name", "slug", "team", "store_content", "enabled")
    list_select_related = ("team",)
    list_filter = ("team", "is_active")
    search_fields = ("name", "slug")
    autocomplete_fields = ("team",)
    fields = (
        ("name", "slug"),
        "team",
        "store_content",
        ("requests_per_minute", "tokens_per_minute", "concurrent_calls"),
        "is_active",
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Keep the slug of an agent that exists: its history goes by it."""
        return ("slug",) if obj else ()

    @display(description=_("active"), boolean=True, ordering="is_active")  # type: ignore[untyped-decorator]
    def enabled(self, agent: Agent) -> bool:
        """Say whether its keys work."""
        return agent.is_active


@admin.register(ApiKey)
class ApiKeyAdmin(SafeModelAdmin):
    """Keys: made here, shown once, then only revoked."""

    form = ApiKeyForm
    list_display = (
        *("masked", "agent", "name", "scope_list", "state", "last_used"),
        "expires_at",
    )
    list_select_related = ("agent",)
    search_fields = ("public_id", "name", "agent__slug")
    autocomplete_fields = ("agent",)
    actions = ("revoke", "rotate")
    fields = (
        *("agent", "name", "scopes", "expires_at"),
        ("requests_per_minute", "tokens_per_minute", "concurrent_calls"),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key does not change; another one is made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is revoked, so that it stays known whose calls it made."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Revoking is what changing a key means."""
        return request.user.has_perm("llm.change_apikey")

    @admin.action(description=_("Revoke the selected keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End keys; within a second no process takes them any more."""
        for key in queryset:
            apikey_revoke(key=key, actor=request.user.get_username())
        self.message_user(request, _("The keys have ended."))

    @admin.action(
        description=_("Make a successor; the old key ends in a day"),
        permissions=["revoke"],
    )
    def rotate(
        self, request: HttpRequest, queryset: QuerySet[ApiKey]
    ) -> HttpResponse | None:
        """Replace one key, with a day for its agent to change over."""
        key = queryset.filter(revoked_at=None).first()
        if key is None or queryset.count() > 1:
            self.message_user(
                request, _("Choose one key that has not ended."), messages.ERROR
            )
            return None
        token = apikey_rotate(
            key=key, overlap=_OVERLAP, actor=request.user.get_username()
        )
        return self._show(request, token)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """Return keys with the minute of their last call."""
        used = KeyUse.objects.filter(public_id=OuterRef("public_id"))
        keys: QuerySet[ApiKey] = super().get_queryset(request)
        return keys.annotate(used_at=Subquery(used.values("used_at")[:1]))

    @admin.display(description=_("last used"), ordering="used_at")
    def last_used(self, key: ApiKey) -> Any:
        """Return when it called last, to the minute."""
        return key.used_at  # type: ignore[attr-defined]

    @admin.display(description=_("key"))
    def masked(self, key: ApiKey) -> str:
        """Return what may be seen of a key."""
        return str(key)

    @admin.display(description=_("scopes"))
    def scope_list(self, key: ApiKey) -> str:
        """Return the scopes."""
        return ", ".join(key.scopes)

    @display(  # type: ignore[untyped-decorator]
        description=_("state"),
        label={"active": "success", "revoked": "danger", "expired": "warning"},
    )
    def state(self, key: ApiKey) -> tuple[str, Any]:
        """Return whether the key works."""
        if key.revoked_at:
            return "revoked", _("Revoked")
        if key.expires_at and key.expires_at <= timezone.now():
            return "expired", _("Expired")
        return "active", _("Active")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: bool
    ) -> None:
        """Make the key by the service and keep its token for the answer alone."""
        token = apikey_create(
            agent=form.cleaned_data["agent"],
            scopes=form.cleaned_data["scopes"],
            name=form.cleaned_data["name"],
            expires_at=form.cleaned_data["expires_at"],
            limits={name: form.cleaned_data[name] for name in LIMITS},
            actor=request.user.get_username(),
        )
        presented = apikeys.parse(token)
        assert presented is not None  # it was made a moment ago
        made = ApiKey.objects.get(public_id=presented.public_id)
        obj.pk, obj.public_id, obj.last_four = made.pk, made.public_id, made.last_four
        request.devora_token = token  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token in this very answer: a message would travel in a cookie."""
        return self._show(request, request.devora_token)  # type: ignore[attr-defined]

    def _show(self, request: HttpRequest, token: str) -> HttpResponse:
        presented = apikeys.parse(token)
        assert presented is not None  # it was made a moment ago
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new key"),
            "opts": self.opts,
            "token": token,
            "key": ApiKey.objects.get(public_id=presented.public_id),
        }
        return TemplateResponse(request, "admin/llm/apikey_created.html", context)


@admin.register(Provider)
class ProviderAdmin(SafeModelAdmin):
    """Upstreams and their credentials, which go in and never come out."""

    form = ProviderForm
    list_display = ("name", "slug", "kind", "base_url", "credential", "enabled")
    search_fields = ("name", "slug")
    fields = (
        *(("name", "slug"), ("kind", "base_url"), "secret", "bulkhead_size"),
        "is_active",
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Keep the slug: the sealed key is bound to it, and models are named by it."""
        return ("slug",) if obj else ()

    @admin.display(description=_("key"))
    def credential(self, provider: Provider) -> str:
        """Return the last four characters of the key."""
        if not provider.sealed_secret:
            return "–"
        return f"…{provider.last_four}"

    @display(description=_("active"), boolean=True, ordering="is_active")  # type: ignore[untyped-decorator]
    def enabled(self, provider: Provider) -> bool:
        """Say whether calls may go there."""
        return provider.is_active

    def save_model(
        self, request: HttpRequest, obj: Provider, form: Any, change: bool
    ) -> None:
        """Bring it in line by the service, which seals the key and writes the audit."""
        saved = provider_ensure(
            slug=obj.slug,
            kind=obj.kind,
            base_url=obj.base_url,
            secret=form.cleaned_data["secret"],
            name=obj.name,
            from_environment=form.keeps_operators_address(),
            bulkhead_size=obj.bulkhead_size,
            actor=request.user.get_username(),
        )
        if saved.is_active != obj.is_active:
            saved.is_active = obj.is_active
            saved.save(update_fields=["is_active"])
        obj.pk = saved.pk


@admin.register(Model)
class ModelAdmin(AuditedAdmin):
    """Providers' models with their limits and their colour."""

    form = ModelForm
    list_display = ("__str__", "context_window", "max_output_tokens", "slot", "enabled")
    list_select_related = ("provider",)
    list_filter = ("provider", "is_active")
    search_fields = ("name", "provider__slug")
    autocomplete_fields = ("provider",)
    fields = (
        ("provider", "name"),
        ("context_window", "max_output_tokens"),
        "color_slot",
        "abilities",
        "is_active",
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Keep the name of a model that exists: prices and history go by it."""
        return ("provider", "name") if obj else ()

    @admin.display(description=_("colour"), ordering="color_slot")
    def slot(self, model: Model) -> SafeString:
        """Return the colour itself, and its place in the palette."""
        if not model.color_slot:
            return SafeString("–")
        swatch = '<i class="swatch slot-{0}" aria-hidden="true"></i> {0}'
        return format_html(swatch, model.color_slot)

    @display(description=_("active"), boolean=True, ordering="is_active")  # type: ignore[untyped-decorator]
    def enabled(self, model: Model) -> bool:
        """Say whether calls may use it."""
        return model.is_active

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        """Give a new model a colour of its own, as the gateway does."""
        if not change:
            made = model_ensure(provider=obj.provider, name=obj.name)
            obj.pk, obj.created_at = made.pk, made.created_at
            obj.color_slot = obj.color_slot or made.color_slot
        super().save_model(request, obj, form, change)


@admin.register(Breaker)
class BreakerAdmin(AuditedAdmin):
    """What the gateway leaves alone, and where an Owner decides otherwise."""

    list_display = ("target", "state", "forced", "reason", "changed_at")
    list_filter = ("state", "forced")
    search_fields = ("target",)
    fields = ("target", "forced", "state", "reason", "changed_at")
    readonly_fields = ("state", "reason", "changed_at")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Keep the target of a breaker that exists."""
        return (*self.readonly_fields, "target") if obj else self.readonly_fields
