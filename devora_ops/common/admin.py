"""People, teams and the audit log in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from devora_ops.common import audit
from devora_ops.common.forms import SafeModelAdmin
from devora_ops.common.models import AuditEntry, Team, User
from devora_ops.common.paging import InfinitePaginator, ReadOnly
from devora_ops.common.people import is_last_owner
from devora_ops.common.rest.middleware import request_id
from devora_ops.common.user_forms import NewUserForm, UserForm

# Groups are the roles: code says what they may do, and a person has one of them.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, SafeModelAdmin):  # type: ignore[misc,type-arg]
    """People and their roles."""

    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "full_name",
        "email",
        "shown_role",
        "enabled",
        "last_login",
    )
    list_filter = ("groups", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": (("first_name", "last_name"), "email")}),
        (_("Role"), {"fields": ("role", "sees_content", "is_active")}),
        (_("Language and time"), {"fields": (("language", "time_zone"),)}),
        (_("Dates"), {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "role", "password1", "password2")}),
    )

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        """Return first and last name."""
        return user.get_full_name() or "–"

    @display(  # type: ignore[untyped-decorator]
        description=_("role"),
        label={"Owner": "primary", "Editor": "info", "Viewer": "default"},
    )
    def shown_role(self, user: User) -> str:
        """Return the highest role."""
        return user.role or "–"

    @display(description=_("active"), boolean=True, ordering="is_active")  # type: ignore[untyped-decorator]
    def enabled(self, user: User) -> bool:
        """Say whether the person may sign in."""
        return user.is_active

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return people with their groups."""
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the last Owner: nobody else could make another one."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and not (isinstance(obj, User) and is_last_owner(obj))

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Put the person into the group of their role, and say so in the audit."""
        super().save_related(request, form, formsets, change)
        person: User = form.instance
        audit.record(
            actor=request.user.get_username(),
            action="user.change" if change else "user.create",
            object_type="ops.user",
            object_id=person.get_username(),
            after={"role": person.role, "is_active": person.is_active},
            request_id=request_id(request),
        )


@admin.register(Team)
class TeamAdmin(SafeModelAdmin):
    """Whom spend is attributed to."""

    list_display = ("name", "slug", "demo")
    search_fields = ("name", "slug")
    fields = ("name", "slug")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Keep the slug of a team that exists: its history goes by it."""
        return ("slug",) if obj else ()

    @display(description=_("demo data"), boolean=True, ordering="is_demo")  # type: ignore[untyped-decorator]
    def demo(self, team: Team) -> bool:
        """Say whether its calls are the demo's."""
        return team.is_demo


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, SafeModelAdmin):
    """Who did what, newest first."""

    paginator = InfinitePaginator
    list_max_show_all = 0
    list_per_page = 50
    list_display = ("at", "actor", "action", "object_type", "object_id")
    list_filter = ("action",)
    search_fields = ("actor", "object_id")
    sortable_by = ()
    ordering = ("-id",)
    fields = (
        ("at", "actor", "action"),
        ("object_type", "object_id"),
        "before",
        "after",
        "request_id",
    )
