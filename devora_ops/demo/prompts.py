"""The demo's prompts: built-in ones with a history of releases, and one of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from devora_ops.demo.cast import CORPUS, NAME_SUFFIX, SIMULATOR, slug_of
from devora_ops.simulator.cast import RESEARCHER, REVIEWER, SUMMARIES, SUPPORT
from prompts.library import built_ins


@dataclass(frozen=True, slots=True)
class Release:
    """One version: how long ago it was made, why, and what differs from the one before.

    defaults: of variables.
    """

    days_ago: int
    note: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def applied(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of this version, given that of the version before."""
        variables = {
            name: {**declared, "default": self.defaults[name]}
            if name in self.defaults
            else declared
            for name, declared in before["variables"].items()
        }
        return {**before, "variables": variables, **self.changes}


@dataclass(frozen=True, slots=True)
class DemoPrompt:
    """A prompt of the demo.

    content: what its first release is made from. production: the number that the label
    points at. variables: from what is asked to what the template takes.
    """

    slug: str
    name: str
    content: Mapping[str, Any]
    releases: tuple[Release, ...]
    production: int
    variables: Callable[[str], dict[str, Any]]

    def contents(self) -> list[dict[str, Any]]:
        """Return the content of every version, in order."""
        contents: list[dict[str, Any]] = []
        before = self.content
        for release in self.releases:
            contents.append(release.applied(before))
            before = contents[-1]
        return contents


_CACHED_FOR_A_DAY: Final = {"enabled": True, "ttl_s": 86_400}
_GUIDELINES: Final = [
    "A function that can fail says so in its name or in its type.",
    "No query inside a loop over rows.",
    "Every branch of a condition is reached by a test.",
    "A migration takes no lock that outlives a second.",
    "Money is a decimal, never a float.",
    "Times carry their zone.",
    "What a retry may repeat is safe to repeat.",
    "Input from outside is checked where it comes in.",
]
_DIFF: Final = """\
--- a/billing/retry.py
+++ b/billing/retry.py
@@ -14,9 +14,10 @@ def charge_again(payment):
-    if payment.attempts > 3:
+    if payment.attempts >= MOST_ATTEMPTS:
         return give_up(payment)
-    provider.charge(payment.amount)
+    key = f"{payment.id}:{payment.attempts}"
+    provider.charge(payment.amount, idempotency_key=key)
     payment.attempts += 1
     payment.save()
"""
_RESEARCH_BRIEF: Final = {
    "messages": [
        {
            "role": "system",
            "content": "You write briefs for people who decide. Begin with the answer, "
            "then give the reasons, then what is not known. Name your sources.",
        },
        {"role": "user", "content": "{{ question }}"},
    ],
    "variables": {
        "question": {"type": "string", "example": "Compare three search engines."}
    },
    "parameters": {"temperature": 0.4, "max_tokens": 900},
}


def demo_prompts() -> Mapping[str, DemoPrompt]:
    """Return the demo's prompts by the name that the history has for them."""
    content = {built_in.slug: built_in.definition for built_in in built_ins()}
    found = (
        (SUPPORT.prompt, "Support answer", content["support-answer"], _SUPPORT),
        (REVIEWER.prompt, "Code review", content["code-review"], _REVIEW),
        (RESEARCHER.prompt, "Research brief", _RESEARCH_BRIEF, _BRIEF),
        (SUMMARIES.prompt, "Ticket summary", content["ticket-summary"], _SUMMARY),
    )
    return {
        prompt: DemoPrompt(
            slug=slug_of(prompt),
            name=name + NAME_SUFFIX,
            content=first,
            releases=releases,
            production=production,
            variables=variables,
        )
        for prompt, name, first, (releases, production, variables) in found
    }


_Life = tuple[tuple[Release, ...], int, Callable[[str], dict[str, Any]]]


def _served_by(model: str) -> dict[str, Any]:
    return {"model": f"{SIMULATOR}/{model}", "cache": _CACHED_FOR_A_DAY}


_SUPPORT: Final[_Life] = (
    (
        Release(
            41,
            "Answers from the help centre",
            {
                **_served_by("gpt-5.4-mini"),
                "corpus": CORPUS,
                "retrieval": {"top_k": 3},
            },
        ),
        Release(9, "At most three sentences", defaults={"max_sentences": 3}),
    ),
    1,
    lambda asked: {"product": "Devora", "question": asked},
)
_REVIEW: Final[_Life] = (
    (
        Release(
            52,
            "With the team's guidelines",
            _served_by("claude-sonnet-5"),
            {"guidelines": _GUIDELINES},
        ),
        Release(
            12,
            "Without what the linters check",
            defaults={"guidelines": _GUIDELINES[:2]},
        ),
    ),
    2,
    lambda asked: {"purpose": asked, "diff": _DIFF},
)
_BRIEF: Final[_Life] = (
    (Release(47, "First version", _served_by("gpt-6.1-sol")),),
    1,
    lambda asked: {"question": asked},
)
_SUMMARY: Final[_Life] = (
    (Release(35, "First version", _served_by("claude-haiku-4-5")),),
    1,
    lambda asked: {
        "ticket": {
            "subject": asked[:60],
            "messages": [{"from": "customer", "text": asked}],
        }
    },
)
