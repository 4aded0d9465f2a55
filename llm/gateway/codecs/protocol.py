"""What the gateway asks of a codec."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from devora_ops.common.errors import DevoraError
from llm.providers.counts import ToldUsage
from llm.providers.openrouter import Bill
from llm.snapshot import Target, Upstream


class BadAnswerError(Exception):
    """The upstream's answer makes no sense; args[0] ends "The provider's answer …"."""


# What reading an answer raises when something in it is not what it has to be: a number
# for a list, a list for a name.
ODD_SHAPES = (AttributeError, KeyError, TypeError, ValueError)


class ErrorInStreamError(Exception):
    """The upstream reported an error inside an answer that had begun well.

    usage: what it says it worked all the same, and source, where it says so.
    """

    def __init__(self, usage: Any = None, source: bytes = b"") -> None:
        super().__init__("reported an error")
        self.usage = usage
        self.source = source


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole answer: what the client gets, and what the ledger reads.

    value: the body, parsed. text: what was said, for an estimate where there is no usage.
    source: what the usage was parsed from. searches: on the web, where they are not in
    the usage.
    """

    body: bytes
    value: Mapping[str, Any]
    text: str
    usage: Any = None
    service_tier: str = ""
    source: bytes = b""
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Ours:
    """What a stream says of its call at the end."""

    call_id: str
    cost_usd: str | None

    def facts(self) -> dict[str, str | None]:
        """Return them as they are written."""
        return {"call_id": self.call_id, "cost_usd": self.cost_usd}

    def comment(self) -> bytes:
        """Return the event that every client ignores and ours reads."""
        return b": devora " + orjson.dumps(self.facts())


class StreamCodec(Protocol):
    """Turns the events of one upstream stream into those of one client."""

    @property
    def text(self) -> str:
        """What the model has said so far."""

    @property
    def usage(self) -> Any:
        """The usage as the upstream told it last, or None."""

    @property
    def usage_source(self) -> bytes:
        """The event that told that usage."""

    @property
    def service_tier(self) -> str:
        """The tier that served, if the upstream tells."""

    @property
    def searches(self) -> int:
        """The searches on the web, where they are not in the usage."""

    @property
    def client_usage(self) -> Any:
        """The usage as the client's format spells it, where no event carries it."""

    @property
    def ended(self) -> bool:
        """Whether the upstream has said that the stream is whole."""

    def feed(self, event: bytes) -> Sequence[bytes]:
        """Take one upstream event; return the client's, without their blank lines.

        Raises BadAnswerError and ErrorInStreamError.
        """

    def finish(self, ours: Ours) -> Sequence[bytes]:
        """Return the events that end a whole stream, with what it cost."""

    def fail(self, call_id: str, error: DevoraError) -> Sequence[bytes]:
        """Return the events that end a stream which is not whole."""


class Codec(Protocol):
    """One pair of formats. Stateless: one instance serves every call."""

    def url(self, upstream: Upstream) -> str:
        """Return where the request is posted to."""

    def headers(self, upstream: Upstream) -> Mapping[str, str]:
        """Return the headers of every request to an upstream."""

    def prepare(
        self, body: Mapping[str, Any], target: Target, *, default_max_tokens: int
    ) -> dict[str, Any]:
        """Return the body as the upstream gets it, bounded and metered.

        Raises InvalidRequest for what this upstream cannot do.
        """

    def output_bound(self, payload: Mapping[str, Any]) -> int:
        """Return the most tokens that a prepared body lets come out."""

    def tier_asked(self, payload: Mapping[str, Any]) -> str:
        """Return the service tier that a prepared body can be served in."""

    def prompt_text(self, payload: Mapping[str, Any]) -> str:
        """Return the texts of a prepared body, for an estimate."""

    def read(self, raw: bytes) -> Reading:
        """Read a whole answer; raises BadAnswerError."""

    def read_usage(self, raw: Any) -> ToldUsage:
        """Normalise a usage object of the upstream's, and say what is odd about it."""

    def read_bill(self, usage: Any, text: bytes) -> Bill | None:
        """Return what a usage says that it cost; None of an upstream that never does.

        text: what the usage was parsed from.
        """

    def region_of(self, usage: Any) -> str:
        """Return where the model ran, as a usage tells it; empty where it does not."""

    def stream(self, body: Mapping[str, Any]) -> StreamCodec:
        """Begin a stream for the client's own body."""
