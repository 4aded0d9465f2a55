"""The agent to inherit from, for asyncio."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

from devora_ops.client._agent_base import (
    AgentBase,
    AgentResult,
    Question,
    split_reference,
)
from devora_ops.client._async_client import AsyncClient
from devora_ops.client._retrieval import AsyncCorpusRetriever, AsyncRetriever
from devora_ops.client._values import CallParameters, Passage, RenderedPrompt


class AsyncEnhancedBaseAgent(AgentBase):
    """EnhancedBaseAgent's twin: the same methods with the same arguments, awaited.

    class Support(AsyncEnhancedBaseAgent):
        prompt = "support"

    async with Support() as agent:
        result = await agent.call_llm("How do I cancel?")
    """

    def __init__(
        self,
        client: AsyncClient | None = None,
        *,
        retriever: AsyncRetriever | None = None,
    ) -> None:
        super().__init__()
        self._owns_client = client is None
        self.client = client or AsyncClient()
        if retriever is None and self.corpus is not None:
            retriever = AsyncCorpusRetriever(self.client, self.corpus)
        self._retriever = retriever

    async def render_template(self, name: str, /, **variables: Any) -> RenderedPrompt:
        """Fill in a prompt on the gateway: its `messages` and its `text`.

        name: ``slug``, ``slug@label`` or ``slug@number``. Give the result to
        call_llm to have exactly this version answer, also during an experiment.
        """
        slug, label, version = split_reference(name)
        return await self.client.render(slug, variables, label=label, version=version)

    async def retrieve(self, query: str, top_k: int | None = None) -> Sequence[Passage]:
        """Find passages for a query, best first; the class's top_k unless given."""
        if self._retriever is None:
            raise self._no_retriever()
        return await self._retriever.retrieve(query, top_k or self.top_k)

    async def call_llm(
        self,
        prompt_or_messages: Question = None,
        *,
        variables: Mapping[str, Any] | None = None,
        use_cache: bool = True,
        use_retrieval: bool | None = None,
        **parameters: Unpack[CallParameters],
    ) -> AgentResult:
        """Ask, count, and give the text with the stats; see EnhancedBaseAgent."""
        draft = self._draft(
            prompt_or_messages, parameters, variables=variables, use_cache=use_cache
        )
        if use_retrieval is None:
            use_retrieval = self._retriever is not None
        passages = (
            await self.retrieve(draft.query) if use_retrieval and draft.query else ()
        )
        with self._counting_errors():
            answer = await self.client.chat(
                draft.with_passages(passages), **draft.options
            )
        return self._result(answer, passages)

    async def aclose(self) -> None:
        """Close the client, if the agent made it."""
        if self._owns_client:
            await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
