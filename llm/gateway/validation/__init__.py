"""What a request must look like before money is set aside for it.

Only what every provider refuses, or what would harm us, is refused here; everything
unknown passes upstream untouched.
"""

from llm.gateway.validation.body import check_model, parse
from llm.gateway.validation.chat import check_chat
from llm.gateway.validation.embeddings import check_embeddings
from llm.gateway.validation.messages import check_messages
from llm.gateway.validation.responses import check_responses

__all__ = [
    "check_chat",
    "check_embeddings",
    "check_messages",
    "check_model",
    "check_responses",
    "parse",
]
