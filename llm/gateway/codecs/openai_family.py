"""What all endpoints of OpenAI's interface have in common."""

from collections.abc import Mapping
from typing import Any

from llm.providers import openai
from llm.providers.openrouter import Bill
from llm.snapshot import Upstream


class OpenAIFamily:
    """The part of a codec that is the same at each endpoint."""

    def headers(self, upstream: Upstream) -> Mapping[str, str]:
        """Return the headers of every request."""
        return openai.base_headers(upstream)

    def read_bill(self, usage: Any, text: bytes) -> Bill | None:
        """Return None: nobody tells what a call cost, its tokens do."""
        return None

    def region_of(self, usage: Any) -> str:
        """Return no region: prices are the same everywhere."""
        return ""
