"""What a model name makes the simulator do.

    name  = ["provider/"] "sim" { "-" word { "-" argument } }
    S, MS, N, MB = a number      TAG = any text without a hyphen

Words combine in any order: `sim-500-once-usage-1000-20`, `sim-chunks-9-gap-50`. A name
that does not start with `sim` is an ordinary model; a `sim` name without latency words
answers at once; an unknown word is a 404 that names it.

Refusals, in the API's own error shape; nothing is accepted, nothing billed:
    400 401 402 403 404 408 409 413 422 429 500 502 503 504 529   that status
    quota              429 insufficient_quota
    spend-limit        429 enforced_spend_limit_reached
    context-length     400 context_length_exceeded
    content-filter     400 content_filter
    retry-S            adds Retry-After: S to a refusal
    retry-date-S       adds Retry-After as an HTTP date S seconds ahead
    retry-garbage      adds a Retry-After that means nothing

Which requests are treated so (words marked * are left out of the others):
    once               only the first of each distinct body; POST /__sim__/reset forgets
    times-N            only the first N of each distinct body
    percent-N          only N of a hundred, by chance
    tag-TAG *          nothing; makes a name of its own for counting and releasing

Time:
    slow-first-byte-S  S seconds before the first byte of the reply
    hold               nothing is sent until POST /__sim__/release
    hold-after-N       a stream stops after N content chunks until it is released
    silence-S          a stream is silent for S seconds after its first content chunk
    gap-MS *           a pause before each content chunk but the first

Broken connections:
    reset              TCP reset after the request was read, without a reply
    cut-stream-after-N the connection closes after N content chunks (JSON: half-way)
    short-body         JSON only: Content-Length promises more than is sent

Broken answers, accepted and billed:
    html               an HTML page with status 200 (or with a refusal's status)
    malformed-json     truncated JSON; in a stream a broken event after the first chunk
    empty-choices      no choices (Anthropic: no content; responses: no output)
    no-usage           no usage anywhere (responses: null)
    bad-usage          a negative count, a text and 10**18 for the counts
    bad-usage-negative, bad-usage-string, bad-usage-huge   one kind of these only
    broken-arguments   a tool call's arguments are truncated JSON
    same-id            every answer has the same id
    huge-body-MB       JSON only: a body of that size
    gzip-bomb-MB       JSON only: a gzip body that inflates to that size
    clock-skew         the Date header is an hour ahead

Broken or unusual streams:
    close-before-done  ends without what says so: [DONE], message_stop or, with the
                       usage in it, response.completed
    sse-error-after-N  an error event after N content chunks, then the end
    huge-line          one event of 10 MB after the first content chunk
    after-done         one more content chunk after what says that it is over
    comments *         a comment before every content chunk
    split-utf8 *       accented text; network writes end inside characters
    split-bytes-N *    network writes of N bytes
    glued *            two events in one network write
    crlf *             CRLF line ends
    multiline *        each event's JSON spread over several data: lines

Shape of the answer:
    instant *          a tiny fixed answer (exactly `sim-instant`: the fastest path)
    usage-P-C *        usage is P prompt tokens and C completion tokens
    cached-N *         N of the prompt tokens were read from the provider's cache
    written-N *        N of the prompt tokens were written to the provider's cache
    reasoning-N *      N of the completion tokens were reasoning
    chunks-N *         N content chunks
    cost-USD *         usage.cost is USD, digit for digit; OpenRouter's is there without
    byok-USD *         OpenRouter: the customer's own key paid USD, the cost is a fee

Broken bills, OpenRouter's; what is billed is the right one:
    no-cost            no usage.cost
    bad-cost-negative, bad-cost-string, bad-cost-huge   a usage.cost of that kind
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

REFUSALS = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)


class UnknownWordError(Exception):
    """A `sim` name has a word that is not in the table; args[0] is its place."""


@dataclass(frozen=True, slots=True)
class Script:
    """The behaviours of one model name; the defaults are a well-behaved model."""

    simulated: bool = False
    calm: "Script | None" = None  # the same name when a request is left alone
    status: int = 0
    error: str = ""
    retry_after_s: float | None = None
    retry_date_s: float | None = None
    retry_garbage: bool = False
    times: int | None = None
    percent: float | None = None
    tag: str = ""
    first_byte_s: float = 0
    hold: bool = False
    hold_after: int | None = None
    silence_s: float = 0
    gap_ms: float = 0
    reset: bool = False
    cut_after: int | None = None
    short_body: bool = False
    html: bool = False
    malformed: bool = False
    empty_choices: bool = False
    no_usage: bool = False
    bad_usage: str = ""
    broken_arguments: bool = False
    same_id: bool = False
    huge_body_mb: float = 0
    gzip_bomb_mb: float = 0
    clock_skew: bool = False
    omit_done: bool = False
    error_after: int | None = None
    huge_line: bool = False
    after_done: bool = False
    comments: bool = False
    split_utf8: bool = False
    split_bytes: int = 0
    glued: bool = False
    crlf: bool = False
    multiline: bool = False
    instant: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    written_tokens: int | None = None
    reasoning_tokens: int | None = None
    chunks: int = 0
    cost_usd: str = ""
    byok_usd: str = ""
    bad_cost: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """One row of the table: what a word sets, and the arguments that follow it."""

    spelling: str
    sets: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    lasting: bool = False  # stays when `once` or `times` is used up


def _flag(spelling: str, name: str, *, lasting: bool = False) -> Word:
    return Word(spelling, {name: True}, lasting=lasting)


def _takes(spelling: str, *names: str, lasting: bool = False) -> Word:
    return Word(spelling, takes=names, lasting=lasting)


WORDS = (
    *(Word(str(status), {"status": status}) for status in REFUSALS),
    Word("quota", {"status": 429, "error": "insufficient_quota"}),
    Word("spend-limit", {"status": 429, "error": "enforced_spend_limit_reached"}),
    Word("context-length", {"status": 400, "error": "context_length_exceeded"}),
    Word("content-filter", {"status": 400, "error": "content_filter"}),
    _takes("retry", "retry_after_s"),
    _takes("retry-date", "retry_date_s"),
    _flag("retry-garbage", "retry_garbage"),
    Word("once", {"times": 1}),
    _takes("times", "times"),
    _takes("percent", "percent"),
    _takes("tag", "tag", lasting=True),
    _takes("slow-first-byte", "first_byte_s"),
    _flag("hold", "hold"),
    _takes("hold-after", "hold_after"),
    _takes("silence", "silence_s"),
    _takes("gap", "gap_ms", lasting=True),
    _flag("reset", "reset"),
    _takes("cut-stream-after", "cut_after"),
    _flag("short-body", "short_body"),
    _flag("html", "html"),
    _flag("malformed-json", "malformed"),
    _flag("empty-choices", "empty_choices"),
    _flag("no-usage", "no_usage"),
    Word("bad-usage", {"bad_usage": "mixed"}),
    Word("bad-usage-negative", {"bad_usage": "negative"}),
    Word("bad-usage-string", {"bad_usage": "string"}),
    Word("bad-usage-huge", {"bad_usage": "huge"}),
    _flag("broken-arguments", "broken_arguments"),
    _flag("same-id", "same_id"),
    _takes("huge-body", "huge_body_mb"),
    _takes("gzip-bomb", "gzip_bomb_mb"),
    _flag("clock-skew", "clock_skew"),
    _flag("close-before-done", "omit_done"),
    _takes("sse-error-after", "error_after"),
    _flag("huge-line", "huge_line"),
    _flag("after-done", "after_done"),
    _flag("comments", "comments", lasting=True),
    _flag("split-utf8", "split_utf8", lasting=True),
    _takes("split-bytes", "split_bytes", lasting=True),
    _flag("glued", "glued", lasting=True),
    _flag("crlf", "crlf", lasting=True),
    _flag("multiline", "multiline", lasting=True),
    _flag("instant", "instant", lasting=True),
    _takes("usage", "prompt_tokens", "completion_tokens", lasting=True),
    _takes("cached", "cached_tokens", lasting=True),
    _takes("written", "written_tokens", lasting=True),
    _takes("reasoning", "reasoning_tokens", lasting=True),
    _takes("chunks", "chunks", lasting=True),
    _takes("cost", "cost_usd", lasting=True),
    _takes("byok", "byok_usd", lasting=True),
    Word("no-cost", {"bad_cost": "missing"}),
    Word("bad-cost-negative", {"bad_cost": "negative"}),
    Word("bad-cost-string", {"bad_cost": "string"}),
    Word("bad-cost-huge", {"bad_cost": "huge"}),
)
_BY_PARTS = {tuple(word.spelling.split("-")): word for word in WORDS}
_LONGEST = max(len(parts) for parts in _BY_PARTS)
_AMOUNTS = frozenset({"cost_usd", "byok_usd"})
_ORDINARY = Script()


@lru_cache(maxsize=4096)
def parse(model: str) -> Script:
    """Return the script of a model name. Raises UnknownWordError."""
    first, *parts = model.rpartition("/")[2].split("-")
    if first != "sim":
        return _ORDINARY
    lasting: dict[str, Any] = {"simulated": True}
    passing: dict[str, Any] = {}
    while parts:
        word = _next_word(parts)
        settings = {**word.sets, **_arguments(word, parts)}
        (lasting if word.lasting else passing).update(settings)
    return Script(**lasting, **passing, calm=Script(**lasting))


def _next_word(parts: list[str]) -> Word:
    """Take the longest word that the parts begin with."""
    for length in range(_LONGEST, 0, -1):
        word = _BY_PARTS.get(tuple(parts[:length]))
        if word is not None:
            del parts[: len(word.spelling.split("-"))]
            return word
    raise UnknownWordError("-".join(parts))


def _arguments(word: Word, parts: list[str]) -> dict[str, Any]:
    try:
        values = {name: _value(name, parts.pop(0)) for name in word.takes}
    except (IndexError, ValueError, InvalidOperation):
        raise UnknownWordError(f"{word.spelling} without its argument") from None
    return values


def _value(name: str, text: str) -> str | int | float:
    if name == "tag":
        return text
    if name in _AMOUNTS:
        return _amount(text)
    return int(text) if text.isdigit() else float(text)


def _amount(text: str) -> str:
    """Return an amount as JSON writes it, with every digit."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(text)
    return f"{amount:f}"
