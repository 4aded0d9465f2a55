"""The agent to inherit from."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

from devora_ops.client._agent_base import (
    AgentBase,
    AgentResult,
    Question,
    split_reference,
)
from devora_ops.client._client import Client
from devora_ops.client._retrieval import CorpusRetriever, Retriever
from devora_ops.client._values import CallParameters, Passage, RenderedPrompt


class EnhancedBaseAgent(AgentBase):
    """An agent whose calls go through the gateway; inherit it and say what it uses.

    class Support(EnhancedBaseAgent):
        prompt = "support"          # or model = "smart"
        corpus = "handbook"         # optional

        def reply(self, question: str) -> str:
            return self.call_llm(question, variables={"tone": "kind"}).text

    with Support() as agent:
        print(agent.reply("How do I cancel?"), agent.stats.cost_usd)

    client: yours, and yours to close; otherwise one from DEVORA_URL and
    DEVORA_API_KEY that the agent closes.
    retriever: used instead of the corpus.
    """

    def __init__(
        self, client: Client | None = None, *, retriever: Retriever | None = None
    ) -> None:
        super().__init__()
        self._owns_client = client is None
        self.client = client or Client()
        if retriever is None and self.corpus is not None:
            retriever = CorpusRetriever(self.client, self.corpus)
        self._retriever = retriever

    def render_template(self, name: str, /, **variables: Any) -> RenderedPrompt:
        """Fill in a prompt on the gateway: its `messages` and its `text`.

        name: ``slug``, ``slug@label`` or ``slug@number``. Give the result to
        call_llm to have exactly this version answer, also during an experiment.
        """
        slug, label, version = split_reference(name)
        return self.client.render(slug, variables, label=label, version=version)

    def retrieve(self, query: str, top_k: int | None = None) -> Sequence[Passage]:
        """Find passages for a query, best first; the class's top_k unless given."""
        if self._retriever is None:
            raise self._no_retriever()
        return self._retriever.retrieve(query, top_k or self.top_k)

    def call_llm(
        self,
        prompt_or_messages: Question = None,
        *,
        variables: Mapping[str, Any] | None = None,
        use_cache: bool = True,
        use_retrieval: bool | None = None,
        **parameters: Unpack[CallParameters],
    ) -> AgentResult:
        """Ask, count, and give the text with the stats.

        prompt_or_messages: the user's words, a conversation, or what
        render_template gave. With the class's prompt it may be left out, or
        follows the rendered messages.
        use_cache: False asks for a fresh answer.
        use_retrieval: whether passages are put before the last user message; left
        out, they are when the agent has a corpus or a retriever.
        parameters: as in CallParameters; a prompt or model here replaces the class's.
        """
        draft = self._draft(
            prompt_or_messages, parameters, variables=variables, use_cache=use_cache
        )
        if use_retrieval is None:
            use_retrieval = self._retriever is not None
        passages = self.retrieve(draft.query) if use_retrieval and draft.query else ()
        with self._counting_errors():
            answer = self.client.chat(draft.with_passages(passages), **draft.options)
        return self._result(answer, passages)

    def close(self) -> None:
        """Close the client, if the agent made it."""
        if self._owns_client:
            self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
