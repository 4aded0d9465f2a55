"""Streams of text that end in an Answer: one collector, two thin readers."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

import httpx

from devora_ops.client._completion import Completion
from devora_ops.client._errors import StreamInterrupted
from devora_ops.client._failures import error_fields
from devora_ops.client._replies import Reply, answer_from, elapsed_ms
from devora_ops.client._sse import Comment, Decoder, Event
from devora_ops.client._values import Answer

_DONE = "[DONE]"
_COST_COMMENT = "devora "
#: The connection broke, or this side had hung up before.
_BROKEN = (httpx.RequestError, httpx.StreamError)


class Collector:
    """Reads a streamed completion's bytes: gives its text, and at last its Answer."""

    def __init__(self, headers: httpx.Headers, *, started: float) -> None:
        """started: time.perf_counter() when the request was sent."""
        self._headers = headers
        self._started = started
        self._decoder = Decoder()
        self._completion = Completion()
        self._error: Mapping[str, Any] | None = None
        self._done = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Give the text that a chunk brings; it may end anywhere, even in a letter."""
        for found in self._decoder.feed(chunk):
            match found:
                case Comment(text):
                    self._take_comment(text)
                case Event(data) if data == _DONE:
                    self._done = True
                case Event(data):
                    if text := self._take(data):
                        yield text

    def finish(self, cause: Exception | None = None) -> Answer:
        """Give the Answer, now that nothing more comes.

        cause: what broke the connection, if it broke.
        Raises StreamInterrupted unless the stream has come to its proper end.
        """
        answer = self._answer()
        if self._error is not None:
            raise self._interrupted(answer, error=self._error)
        if not self._done:
            raise self._interrupted(answer, reason=self._lack(cause)) from cause
        if answer.finish_reason == "error":
            raise self._interrupted(answer, reason="the provider cut it off")
        return answer

    def _lack(self, cause: Exception | None) -> str:
        if cause is not None:
            return str(cause) or type(cause).__name__
        if not self._headers.get("content-type", "").startswith("text/event-stream"):
            return "it is no event stream; is this the gateway's address?"
        return "it ended before its end"

    def _take(self, data: str) -> str:
        try:
            chunk = json.loads(data)
            if chunk.get("error"):
                # Kept for the end: the cost may still follow it.
                self._error = chunk["error"]
            return self._completion.add(chunk)
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            reason = "it holds something that is no chunk"
            raise self._interrupted(self._answer(), reason=reason) from error

    def _take_comment(self, text: str) -> None:
        if not text.startswith(_COST_COMMENT):
            return
        try:
            told = json.loads(text.removeprefix(_COST_COMMENT))
        except ValueError:
            return
        self._completion.note("devora", told)

    def _answer(self) -> Answer:
        return answer_from(self._completion.body(), self._reply())

    def _reply(self) -> Reply:
        return Reply(
            headers=self._headers, content=b"", latency_ms=elapsed_ms(self._started)
        )

    def _interrupted(
        self,
        answer: Answer,
        *,
        reason: str = "",
        error: Mapping[str, Any] | str | None = None,
    ) -> StreamInterrupted:
        fields = error if isinstance(error, Mapping) else {"message": error}
        code, message = error_fields(fields)
        failure = StreamInterrupted(
            f"The stream failed: {message or reason}",
            code=code,
            request_id=answer.request_id,
            body=error,
        )
        failure.partial = answer
        return failure


class _Ending:
    """The Answer that a stream ends in."""

    _answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """The whole Answer, once the last text has been read."""
        if self._answer is None:
            raise RuntimeError("The stream has not ended: read on, or call finish().")
        return self._answer


class AnswerStream(_Ending):
    """An iterator over the text of an answer, as it is written.

    with client.stream_chat("Tell me a story", model="smart") as stream:
        for text in stream:
            print(text, end="")
    print(stream.answer.cost_usd)

    Leaving the with block early hangs up, and the gateway stops the provider.
    Raises StreamInterrupted when the stream does not come to its proper end.
    """

    def __init__(self, response: httpx.Response, collector: Collector) -> None:
        self._response = response
        self._collector = collector
        self._texts = self._read()

    def _read(self) -> Iterator[str]:
        broken: Exception | None = None
        try:
            for chunk in self._response.iter_bytes():
                yield from self._collector.feed(chunk)
        except _BROKEN as error:
            broken = error
        finally:
            self._response.close()
        self._answer = self._collector.finish(broken)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._texts)

    def finish(self) -> Answer:
        """Read what is left and give the Answer."""
        for _ in self:
            pass
        return self.answer

    def close(self) -> None:
        """Hang up."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncAnswerStream(_Ending):
    """AnswerStream's twin for asyncio.

    async with await client.stream_chat("Tell me a story", model="smart") as stream:
        async for text in stream:
            print(text, end="")
    print(stream.answer.cost_usd)
    """

    def __init__(self, response: httpx.Response, collector: Collector) -> None:
        self._response = response
        self._collector = collector
        self._texts = self._read()

    async def _read(self) -> AsyncIterator[str]:
        broken: Exception | None = None
        try:
            async for chunk in self._response.aiter_bytes():
                for text in self._collector.feed(chunk):
                    yield text
        except _BROKEN as error:
            broken = error
        finally:
            await self._response.aclose()
        self._answer = self._collector.finish(broken)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        return await anext(self._texts)

    async def finish(self) -> Answer:
        """Read what is left and give the Answer."""
        async for _ in self:
            pass
        return self.answer

    async def aclose(self) -> None:
        """Hang up."""
        await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
