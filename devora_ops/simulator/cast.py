"""Who calls in the demo's history: four agents, what they ask and which models answer."""

from dataclasses import dataclass

TEAM = "demo"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of a call: medians, how far they spread, the share read from a cache."""

    input: int
    output: int
    spread: float = 0.45
    cached: float = 0.0

    def times(self, *, input_by: float = 1, output_by: float = 1) -> "Sizes":
        return Sizes(
            round(self.input * input_by),
            round(self.output * output_by),
            self.spread,
            self.cached,
        )


@dataclass(frozen=True, slots=True)
class Role:
    """One agent. models: (provider/name, weight); hours: how busy from 0 to 23 h local.

    weekend: how busy on Saturday and Sunday beside a weekday. cache_hits: the share of
    calls that our own cache answers. people: how many end users; 0: none are named.
    """

    agent: str
    prompt: str
    version: int
    share: float
    models: tuple[tuple[str, float], ...]
    sizes: Sizes
    hours: tuple[int, ...]
    weekend: float
    cache_hits: float
    stream: bool
    people: int
    person: str
    questions: tuple[str, ...]
    subjects: tuple[str, ...]


_ALL_DAY = (
    *(6, 4, 3, 3, 4, 8, 18, 38, 70, 92, 100, 96),
    *(78, 84, 98, 100, 94, 86, 74, 62, 50, 38, 24, 12),
)
_OFFICE = (
    *(0, 0, 0, 0, 0, 1, 3, 14, 52, 96, 100, 92),
    *(40, 66, 98, 100, 90, 72, 36, 12, 6, 4, 2, 1),
)
_AFTERNOONS = (
    *(1, 1, 0, 0, 1, 2, 5, 15, 40, 66, 78, 74),
    *(48, 70, 94, 100, 98, 88, 60, 34, 28, 22, 12, 5),
)
_BATCHES = (
    *(8, 6, 6, 6, 8, 60, 100, 52, 30, 30, 30, 30),
    *(44, 30, 30, 30, 30, 40, 56, 30, 20, 14, 10, 8),
)

SUPPORT = Role(
    agent="support-bot",
    prompt="support-answer",
    version=4,
    share=0.46,
    models=(("openai/gpt-5.4-mini", 0.86), ("openai/gpt-5.4", 0.14)),
    sizes=Sizes(1850, 240, cached=0.35),
    hours=_ALL_DAY,
    weekend=0.52,
    cache_hits=0.13,
    stream=True,
    people=900,
    person="customer-{:04d}",
    questions=(
        "My {} stopped working this morning. What can I do?",
        "How do I change the {} of our workspace?",
        "The {} shows a different amount than last month, why?",
        "I get an error when I open the {}. I already signed out and in again.",
        "Can somebody explain what the {} is for?",
        "We need the {} for our audit by Friday.",
    ),
    subjects=(
        "weekly export",
        "invoice",
        "password reset",
        "billing address",
        "webhook",
        "single sign-on",
        "usage report",
        "API key",
        "mobile app",
        "calendar link",
    ),
)
REVIEWER = Role(
    agent="code-reviewer",
    prompt="code-review",
    version=3,
    share=0.17,
    models=(("anthropic/claude-sonnet-5", 0.88), ("anthropic/claude-opus-5-5", 0.12)),
    sizes=Sizes(8200, 180, spread=0.5, cached=0.3),
    hours=_OFFICE,
    weekend=0.06,
    cache_hits=0.02,
    stream=False,
    people=24,
    person="dev-{:02d}",
    questions=(
        "Review this change: {}. Say what could break.",
        "Is there a race in this diff? It touches {}.",
        "Suggest tests for the change to {}.",
        "Review the migration for {} with locks in mind.",
    ),
    subjects=(
        "the retry of failed payments",
        "the session store",
        "the search index",
        "the upload of attachments",
        "the scheduler's queue",
        "the permission checks",
        "the currency rounding",
        "the rate limiter",
    ),
)
RESEARCHER = Role(
    agent="research-assistant",
    prompt="research-brief",
    version=2,
    share=0.13,
    models=(("openai/gpt-6.1-sol", 0.7), ("openrouter/google/gemini-3.8-flash", 0.3)),
    sizes=Sizes(4400, 250, spread=0.45, cached=0.15),
    hours=_AFTERNOONS,
    weekend=0.28,
    cache_hits=0.05,
    stream=True,
    people=40,
    person="analyst-{:02d}",
    questions=(
        "Summarise what changed in {} this quarter, with sources.",
        "Compare three vendors for {} on price and support.",
        "Which risks do customers name for {}?",
        "Write a one-page brief on {} for the board.",
    ),
    subjects=(
        "document search",
        "fraud detection",
        "warehouse robots",
        "energy tariffs",
        "electronic invoicing",
        "customer surveys",
        "cloud contracts",
    ),
)
SUMMARIES = Role(
    agent="ticket-summary",
    prompt="ticket-summary",
    version=6,
    share=0.24,
    models=(
        ("openrouter/deepseek/deepseek-v4-flash-0731", 0.62),
        ("anthropic/claude-haiku-4-5", 0.38),
    ),
    sizes=Sizes(980, 110, spread=0.5),
    hours=_BATCHES,
    weekend=0.4,
    cache_hits=0.07,
    stream=False,
    people=0,
    person="",
    questions=(
        "Summarise this ticket in two sentences: the customer writes about the {}.",
        "Give the ticket about the {} a title and a severity.",
        "What is still open in the thread about the {}?",
    ),
    subjects=SUPPORT.subjects,
)
ROLES = (SUPPORT, REVIEWER, RESEARCHER, SUMMARIES)
