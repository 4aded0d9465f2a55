"""The gateway in the OpenAPI schema: written by hand, for it is no DRF view.

It describes what the gateway itself reads and adds; every other field of the OpenAPI
wire format passes through as it is.
"""

from typing import Any, Final

from llm.api import gateway_bodies as bodies
from llm.api.gateway_bodies import STRING

_REQUEST_ID: Final = {"X-Request-Id": {"schema": STRING}}
_ANSWER_HEADERS: Final = _REQUEST_ID | {
    name: {"schema": STRING, "description": told}
    for name, told in {
        "X-Devora-Call-Id": "The call in /api/v1/calls/.",
        "X-Devora-Cost-Usd": "What the call cost; a stream tells it at its end.",
        "X-Devora-Cache": "hit, miss or off.",
        "X-Devora-Model": "The model that answered, as provider/name.",
        "X-Devora-Attempts": "How many upstream tries it took.",
    }.items()
}

_REFUSALS: Final = {
    "400": "The request is not valid.",
    "401": "No key, a wrong one, or one that has ended.",
    "402": "A hard budget has no room (x-should-retry: false), or no price is known.",
    "403": "The key lacks the scope `call`.",
    "404": "There is no such model, route or prompt.",
    "413": "The body is too large.",
    "429": "Too many requests; Retry-After says when to come back.",
    "502": "The provider failed.",
    "503": "The gateway cannot serve right now; Retry-After says when to come back.",
    "504": "The provider did not answer in time.",
}


def add_gateway(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add /v1 to a generated schema (a drf-spectacular postprocessing hook)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {
        "ChatMessage": bodies.MESSAGE,
        "ChatCompletionRequest": bodies.CHAT_REQUEST,
        "ChatCompletion": bodies.CHAT_ANSWER,
        "MessagesRequest": bodies.MESSAGES_REQUEST,
        "Message": bodies.MESSAGES_ANSWER,
        "MessagesError": bodies.MESSAGES_ERROR,
        "ResponsesRequest": bodies.RESPONSES_REQUEST,
        "Response": bodies.RESPONSES_ANSWER,
        "EmbeddingsRequest": bodies.EMBEDDINGS_REQUEST,
        "Embeddings": bodies.EMBEDDINGS_ANSWER,
        "ModelList": bodies.MODELS_ANSWER,
        "GatewayError": bodies.ERROR,
    }
    result["paths"] |= {
        "/v1/chat/completions": {"post": _chat()},
        "/v1/messages": {"post": _messages()},
        "/v1/responses": {"post": _respond()},
        "/v1/embeddings": {"post": _embeddings()},
        "/v1/models": {"get": _models()},
        "/v1/models/{model}": {"get": _one_model()},
    }
    return result


def _chat() -> dict[str, Any]:
    return _call(
        "chat_completions",
        "Answer a chat",
        "Answer a chat: OpenAI's wire format, JSON or server-sent events. Unknown "
        "fields pass upstream untouched.",
        asked="ChatCompletionRequest",
        answered="ChatCompletion",
        streams=True,
    )


def _messages() -> dict[str, Any]:
    return _call(
        "messages_create",
        "Answer messages",
        "Answer messages: Anthropic's wire format, JSON or server-sent events; the key "
        "as `x-api-key` or as Bearer.",
        asked="MessagesRequest",
        answered="Message",
        streams=True,
        refused="MessagesError",
    )


def _respond() -> dict[str, Any]:
    return _call(
        "responses_create",
        "Respond",
        "Respond to an input: OpenAI's wire format, JSON or server-sent events. Served by "
        "providers that speak it.",
        asked="ResponsesRequest",
        answered="Response",
        streams=True,
    )


def _embeddings() -> dict[str, Any]:
    return _call(
        "embeddings_create",
        "Embed texts",
        "Embed texts: OpenAI's wire format.",
        asked="EmbeddingsRequest",
        answered="Embeddings",
    )


def _call(
    operation: str,
    summary: str,
    description: str,
    *,
    asked: str,
    answered: str,
    streams: bool = False,
    refused: str = "GatewayError",
) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref(answered)}}
    if streams:
        content["text/event-stream"] = {"schema": STRING}
    body = {"application/json": {"schema": _ref(asked)}}
    return {
        "operationId": operation,
        "summary": summary,
        "description": f"{description}\n\nScope of the API key: `call`.",
        "tags": ["gateway"],
        "security": [{"ApiKey": []}],
        "requestBody": {"required": True, "content": body},
        "responses": _responses("The answer.", content, _ANSWER_HEADERS, refused),
    }


def _models() -> dict[str, Any]:
    content = {"application/json": {"schema": _ref("ModelList")}}
    return {
        "operationId": "models_list",
        "summary": "List what can be asked for",
        "description": "Every route and model that can be asked for.\n\nScope of the "
        "API key: `call`.",
        "tags": ["gateway"],
        "security": [{"ApiKey": []}],
        "responses": _responses("The list.", content, _REQUEST_ID),
    }


def _one_model() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "models_retrieve",
        "summary": "Say whether a name can be asked for",
        "description": "A route, or a model as `provider/name`.\n\nScope of the API key: "
        "`call`.",
        "tags": ["gateway"],
        "security": [{"ApiKey": []}],
        "parameters": [
            {"name": "model", "in": "path", "required": True, "schema": STRING}
        ],
        "responses": _responses("The name and whose it is.", content, _REQUEST_ID),
    }


def _responses(
    told: str, content: Any, headers: Any, refused: str = "GatewayError"
) -> dict[str, Any]:
    refusal = {"application/json": {"schema": _ref(refused)}}
    return {
        "200": {"description": told, "content": content, "headers": headers},
        **{
            status: {"description": why, "content": refusal, "headers": _REQUEST_ID}
            for status, why in _REFUSALS.items()
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
