"""The agent's side of Devora Ops: everything an agent needs, and only httpx.

    from devora_ops.client import Client, EnhancedBaseAgent

`Client` and `AsyncClient` talk to the gateway; `EnhancedBaseAgent` and
`AsyncEnhancedBaseAgent` are there to inherit from, and keep count of what their
calls cost. Whatever goes wrong is a `DevoraError`; `_errors` draws the family.

What is not named in `__all__` is private and may change.
"""

from devora_ops.client._agent import EnhancedBaseAgent
from devora_ops.client._agent_base import AgentResult
from devora_ops.client._async_agent import AsyncEnhancedBaseAgent
from devora_ops.client._async_client import AsyncClient
from devora_ops.client._client import Client
from devora_ops.client._config import Retry
from devora_ops.client._errors import (
    AuthenticationError,
    BadRequest,
    BudgetExceeded,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DevoraError,
    InvalidResponse,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    ServerError,
    StatusError,
    StreamInterrupted,
    Timeout,
    Unavailable,
    UnprocessableEntity,
)
from devora_ops.client._retrieval import AsyncRetriever, Retriever, context_message
from devora_ops.client._stats import AgentStats
from devora_ops.client._streams import AnswerStream, AsyncAnswerStream
from devora_ops.client._values import (
    Answer,
    Assignment,
    CallParameters,
    ChatOptions,
    Embeddings,
    Model,
    Passage,
    RenderedPrompt,
    Usage,
)

__all__ = [
    "AgentResult",
    "AgentStats",
    "Answer",
    "AnswerStream",
    "Assignment",
    "AsyncAnswerStream",
    "AsyncClient",
    "AsyncEnhancedBaseAgent",
    "AsyncRetriever",
    "AuthenticationError",
    "BadRequest",
    "BudgetExceeded",
    "CallParameters",
    "ChatOptions",
    "Client",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DevoraError",
    "Embeddings",
    "EnhancedBaseAgent",
    "InvalidResponse",
    "Model",
    "NotFound",
    "Passage",
    "PayloadTooLarge",
    "PermissionDenied",
    "RateLimited",
    "RenderedPrompt",
    "Retriever",
    "Retry",
    "ServerError",
    "StatusError",
    "StreamInterrupted",
    "Timeout",
    "Unavailable",
    "UnprocessableEntity",
    "Usage",
    "context_message",
]
