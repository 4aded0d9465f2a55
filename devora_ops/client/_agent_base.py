"""What both agents share: everything but the waiting."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devora_ops.client._errors import ConfigurationError, DevoraError
from devora_ops.client._retrieval import context_message
from devora_ops.client._stats import AgentStats, StatsRecorder
from devora_ops.client._values import (
    Answer,
    CallParameters,
    ChatOptions,
    Message,
    Messages,
    Passage,
    RenderedPrompt,
    content_text,
)

#: What call_llm takes: words for the model, a conversation, or a rendered prompt.
Question = Messages | RenderedPrompt | None

logger = logging.getLogger("[EnhancedAgent]")
logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What came of one call, and what the agent's calls came to with it.

    stats: the agent's totals right after this call.
    passages: what was retrieved and shown to the model.
    """

    text: str
    stats: AgentStats
    answer: Answer
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A call before its passages are known."""

    messages: tuple[Message, ...]
    options: ChatOptions

    @property
    def query(self) -> str:
        """The last thing that the user says: what to retrieve for."""
        return content_text(self.messages[-1]) if self._asks else ""

    @property
    def _asks(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("role") == "user"

    def with_passages(self, passages: Sequence[Passage]) -> tuple[Message, ...]:
        """Give the messages with the passages in front of the question."""
        if not passages:
            return self.messages
        *before, question = self.messages
        return (*before, context_message(passages), question)


class AgentBase:
    """The declarations of an agent, and the bookkeeping of its calls."""

    #: The prompt that call_llm uses: ``slug``, ``slug@label`` or ``slug@number``.
    prompt: str | None = None
    #: A route or model, for an agent that brings its own words instead of a prompt.
    model: str | None = None
    #: The corpus that is searched for each question.
    corpus: str | None = None
    #: How many passages a question gets.
    top_k: int = 5

    def __init__(self) -> None:
        self._recorder = StatsRecorder()

    @property
    def stats(self) -> AgentStats:
        """What this agent's calls came to so far: a snapshot."""
        return self._recorder.stats

    def _draft(
        self,
        question: Question,
        parameters: CallParameters,
        *,
        variables: Mapping[str, Any] | None,
        use_cache: bool,
    ) -> Draft:
        if "stream" in parameters:
            raise ValueError("call_llm gives whole answers; see client.stream_chat.")
        if isinstance(question, RenderedPrompt):
            variables = {**question.variables, **(variables or {})}
        options: ChatOptions = {
            **parameters,
            "variables": variables,
            "use_cache": use_cache,
        }
        return Draft(
            messages=_messages(question),
            options=self._aimed(options, question),
        )

    def _aimed(self, options: ChatOptions, question: Question) -> ChatOptions:
        """Say what is asked: the call's word, the rendering's, then the class's."""
        if options.get("prompt") or options.get("model"):
            return options
        if isinstance(question, RenderedPrompt):
            # Sent as its version, not as its text: so the gateway knows which
            # version answered, and applies all that a version decides.
            return {**options, "prompt": f"{question.slug}@{question.version}"}
        if self.prompt:
            return {**options, "prompt": self.prompt}
        if self.model:
            return {**options, "model": self.model}
        raise ConfigurationError(f"{self._name} sets neither prompt nor model.")

    @contextmanager
    def _counting_errors(self) -> Iterator[None]:
        try:
            yield
        # A cancelled call may have been billed: it counts as one that failed.
        except (DevoraError, asyncio.CancelledError) as error:
            self._recorder.record_error()
            logger.warning(
                "%s: call failed: %s code=%s request_id=%s",
                self._name,
                type(error).__name__,
                getattr(error, "code", None),
                getattr(error, "request_id", None),
            )
            raise

    def _result(self, answer: Answer, passages: Sequence[Passage]) -> AgentResult:
        logger.info(
            "%s: %s answered: call_id=%s cost_usd=%s cache=%s latency_ms=%.0f",
            self._name,
            answer.model,
            answer.call_id,
            answer.cost_usd,
            answer.cache,
            answer.latency_ms,
        )
        return AgentResult(
            text=answer.text,
            stats=self._recorder.record_answer(answer),
            answer=answer,
            passages=tuple(passages),
        )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _no_retriever(self) -> ConfigurationError:
        return ConfigurationError(f"{self._name} sets no corpus and has no retriever.")


def split_reference(reference: str) -> tuple[str, str | None, int | None]:
    """Split ``slug``, ``slug@label`` or ``slug@number`` into slug, label, version."""
    slug, _, pin = reference.partition("@")
    if pin.isdecimal():
        return slug, None, int(pin)
    return slug, pin or None, None


def _messages(question: Question) -> tuple[Message, ...]:
    if question is None or isinstance(question, RenderedPrompt):
        return ()
    if isinstance(question, str):
        return ({"role": "user", "content": question},)
    return tuple(question)
