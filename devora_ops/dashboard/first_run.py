"""What is left to do until the first call: shown in place of empty charts."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from costs.models import Budget, Call
from devora_ops.common.models import User
from llm.models import ApiKey, Model, Provider, Route

_FALLBACK_MODEL: Final = "openai/gpt-4.1-mini"

_CURL = """curl {url}/v1/chat/completions \\
  -H "Authorization: Bearer $DEVORA_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""

_PYTHON = """from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="dvo_live_…")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; url leads to where it is done."""

    title: str
    detail: str
    done: bool
    url: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class FirstRun:
    """The checklist and the commands to paste."""

    steps: tuple[Step, ...]
    curl: str
    python: str


def first_run() -> FirstRun | None:
    """Return the checklist while no call was ever made."""
    if Call.objects.exists():
        return None
    values = {"url": settings.DEVORA_URL, "model": _a_model()}
    return FirstRun(
        steps=_steps(),
        curl=_CURL.format(**values),
        python=_PYTHON.format(**values),
    )


def _a_model() -> str:
    """Return a name that an agent can ask for here and now."""
    route = Route.objects.filter(is_active=True).first()
    if route is not None:
        return route.slug
    model = Model.objects.filter(is_active=True, provider__is_active=True).first()
    return str(model) if model is not None else _FALLBACK_MODEL


def _steps() -> tuple[Step, ...]:
    return (
        Step(
            _("Add a provider key"),
            _("Or start with the built-in simulator, which answers without a key."),
            Provider.objects.filter(is_active=True).exclude(last_four="").exists(),
            reverse("admin:llm_provider_changelist"),
        ),
        Step(
            _("Create an API key"),
            _("One key per agent, shown once."),
            ApiKey.objects.filter(revoked_at=None).exists(),
            reverse("admin:llm_apikey_add"),
        ),
        Step(
            _("Send the first call"),
            _("Paste one of the commands below. This page changes by itself."),
            done=False,
            waiting=True,
        ),
        Step(
            _("Set a budget"),
            _("Calls that would exceed it are refused before they cost anything."),
            Budget.objects.exists(),
            reverse("admin:costs_budget_add"),
        ),
        Step(
            _("Invite your team"),
            _("Viewers see numbers, editors change prompts, owners hold the keys."),
            User.objects.filter(is_active=True).count() > 1,
            reverse("admin:ops_user_add"),
        ),
    )
