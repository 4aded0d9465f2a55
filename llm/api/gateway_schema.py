"""The gateway in the OpenAPI schema: written by hand, for it is no DRF view.

It describes what the gateway itself reads and adds; every other field of the OpenAPI
wire format passes through as it is.
"""

from typing import Any, Final

_STRING: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_REQUEST_ID: Final = {"X-Request-Id": {"schema": _STRING}}
_ANSWER_HEADERS: Final = _REQUEST_ID | {
    name: {"schema": _STRING, "description": told}
    for name, told in {
        "X-Devora-Call-Id": "The call in /api/v1/calls/.",
        "X-Devora-Cost-Usd": "What the call cost; a stream tells it at its end.",
        "X-Devora-Cache": "hit, miss or off.",
        "X-Devora-Model": "The model that answered, as provider/name.",
        "X-Devora-Attempts": "How many upstream tries it took.",
    }.items()
}

_MESSAGE: Final = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {
            "type": "string",
            "enum": ["system", "developer", "user", "assistant", "tool"],
        },
        "content": {
            "oneOf": [_STRING, {"type": "array", "items": {"type": "object"}}],
            "nullable": True,
        },
        "tool_calls": {"type": "array", "items": {"type": "object"}},
        "tool_call_id": _STRING,
    },
    "additionalProperties": True,
}

_CHAT_REQUEST: Final = {
    "type": "object",
    "required": ["model"],
    "properties": {
        "model": {
            "type": "string",
            "description": "A route (`smart`), `provider/name`, a bare model name, or a "
            "prompt: `prompt:<slug>`, `prompt:<slug>@<label>`, `prompt:<slug>@<number>`.",
        },
        "messages": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/ChatMessage"},
            "description": "May be left out with a prompt; follows its messages.",
        },
        "stream": {"type": "boolean", "default": False},
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "n": {"type": "integer", "minimum": 1},
        "user": {"type": "string", "description": "Your end user, as a dimension."},
        "variables": {
            "type": "object",
            "description": "Values of the prompt's variables; not sent upstream.",
        },
        "unit": {
            "type": "string",
            "description": "What an experiment assigns a variant to; else `user`.",
        },
    },
    "additionalProperties": True,
}

_CHAT_ANSWER: Final = {
    "type": "object",
    "properties": {
        "id": _STRING,
        "object": {"type": "string", "enum": ["chat.completion"]},
        "created": _INTEGER,
        "model": _STRING,
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": _INTEGER,
                    "message": {"$ref": "#/components/schemas/ChatMessage"},
                    "finish_reason": {"type": "string", "nullable": True},
                },
            },
        },
        "usage": {
            "type": "object",
            "properties": {
                "prompt_tokens": _INTEGER,
                "completion_tokens": _INTEGER,
                "total_tokens": _INTEGER,
            },
            "additionalProperties": True,
        },
    },
    "additionalProperties": True,
}

_MODELS_ANSWER: Final = {
    "type": "object",
    "properties": {
        "object": {"type": "string", "enum": ["list"]},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": _STRING,
                    "object": {"type": "string", "enum": ["model"]},
                    "created": _INTEGER,
                    "owned_by": _STRING,
                },
            },
        },
    },
}

_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": _STRING,
                "type": _STRING,
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string", "nullable": True},
            },
        }
    },
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
        "ChatMessage": _MESSAGE,
        "ChatCompletionRequest": _CHAT_REQUEST,
        "ChatCompletion": _CHAT_ANSWER,
        "ModelList": _MODELS_ANSWER,
        "GatewayError": _ERROR,
    }
    result["paths"] |= {
        "/v1/chat/completions": {"post": _chat()},
        "/v1/models": {"get": _models()},
    }
    return result


def _chat() -> dict[str, Any]:
    content = {
        "application/json": {"schema": _ref("ChatCompletion")},
        "text/event-stream": {"schema": _STRING},
    }
    body = {"application/json": {"schema": _ref("ChatCompletionRequest")}}
    return {
        "operationId": "chat_completions",
        "summary": "Answer a chat",
        "description": "Answer a chat: OpenAI's wire format, JSON or server-sent "
        "events. Unknown fields pass upstream untouched.\n\nScope of the API key: "
        "`call`.",
        "tags": ["gateway"],
        "security": [{"ApiKey": []}],
        "requestBody": {"required": True, "content": body},
        "responses": _responses("The answer.", content, _ANSWER_HEADERS),
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


def _responses(told: str, content: Any, headers: Any) -> dict[str, Any]:
    refusal = {"application/json": {"schema": _ref("GatewayError")}}
    return {
        "200": {"description": told, "content": content, "headers": headers},
        **{
            status: {"description": why, "content": refusal, "headers": _REQUEST_ID}
            for status, why in _REFUSALS.items()
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
