"""The bodies of /v1 as OpenAPI shapes: what the gateway itself reads and adds."""

from typing import Any, Final

STRING: Final[dict[str, Any]] = {"type": "string"}
INTEGER: Final[dict[str, Any]] = {"type": "integer"}
MESSAGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {
            "type": "string",
            "enum": ["system", "developer", "user", "assistant", "tool"],
        },
        "content": {
            "oneOf": [STRING, {"type": "array", "items": {"type": "object"}}],
            "nullable": True,
        },
        "tool_calls": {"type": "array", "items": {"type": "object"}},
        "tool_call_id": STRING,
    },
    "additionalProperties": True,
}

CHAT_REQUEST: Final[dict[str, Any]] = {
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

CHAT_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": STRING,
        "object": {"type": "string", "enum": ["chat.completion"]},
        "created": INTEGER,
        "model": STRING,
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": INTEGER,
                    "message": {"$ref": "#/components/schemas/ChatMessage"},
                    "finish_reason": {"type": "string", "nullable": True},
                },
            },
        },
        "usage": {
            "type": "object",
            "properties": {
                "prompt_tokens": INTEGER,
                "completion_tokens": INTEGER,
                "total_tokens": INTEGER,
            },
            "additionalProperties": True,
        },
    },
    "additionalProperties": True,
}

MODELS_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "object": {"type": "string", "enum": ["list"]},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": STRING,
                    "object": {"type": "string", "enum": ["model"]},
                    "created": INTEGER,
                    "owned_by": STRING,
                },
            },
        },
    },
}

ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": STRING,
                "type": STRING,
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string", "nullable": True},
            },
        }
    },
}

_BLOCKS: Final[dict[str, Any]] = {
    "oneOf": [STRING, {"type": "array", "items": {"type": "object"}}],
}

MESSAGES_REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["model", "max_tokens", "messages"],
    "properties": {
        "model": CHAT_REQUEST["properties"]["model"],
        "max_tokens": {"type": "integer", "minimum": 1},
        "system": _BLOCKS,
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"type": "string", "enum": ["user", "assistant"]},
                    "content": _BLOCKS,
                },
                "additionalProperties": True,
            },
        },
        "stream": {"type": "boolean", "default": False},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "tools": {"type": "array", "items": {"type": "object"}},
        "metadata": {
            "type": "object",
            "properties": {"user_id": STRING},
            "additionalProperties": True,
        },
    },
    "additionalProperties": True,
}

MESSAGES_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": STRING,
        "type": {"type": "string", "enum": ["message"]},
        "role": {"type": "string", "enum": ["assistant"]},
        "model": STRING,
        "content": {"type": "array", "items": {"type": "object"}},
        "stop_reason": {"type": "string", "nullable": True},
        "usage": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}

MESSAGES_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["error"]},
        "request_id": STRING,
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": STRING, "message": STRING, "code": STRING},
        },
    },
}

RESPONSES_REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["model"],
    "properties": {
        "model": CHAT_REQUEST["properties"]["model"],
        "input": {
            "oneOf": [STRING, {"type": "array", "items": {"type": "object"}}],
            "description": "A text, or messages and other items. May be left out with a "
            "prompt; follows its messages.",
        },
        "instructions": STRING,
        "max_output_tokens": {"type": "integer", "minimum": 1},
        "stream": {"type": "boolean", "default": False},
        "tools": {"type": "array", "items": {"type": "object"}},
        "text": {"type": "object", "description": "`format`: a JSON schema."},
        "user": {"type": "string", "description": "Your end user, as a dimension."},
        "variables": CHAT_REQUEST["properties"]["variables"],
        "unit": CHAT_REQUEST["properties"]["unit"],
    },
    "additionalProperties": True,
}

RESPONSES_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": STRING,
        "object": {"type": "string", "enum": ["response"]},
        "status": {"type": "string", "enum": ["completed", "incomplete"]},
        "model": STRING,
        "output": {"type": "array", "items": {"type": "object"}},
        "usage": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}

EMBEDDINGS_REQUEST: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["model", "input"],
    "properties": {
        "model": STRING,
        "input": {
            "oneOf": [STRING, {"type": "array", "items": {}}],
            "description": "A text, texts, token ids, or lists of token ids.",
        },
        "dimensions": {"type": "integer", "minimum": 1},
        "encoding_format": {"type": "string", "enum": ["float", "base64"]},
        "user": STRING,
    },
    "additionalProperties": True,
}

EMBEDDINGS_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "object": {"type": "string", "enum": ["list"]},
        "data": {"type": "array", "items": {"type": "object"}},
        "model": STRING,
        "usage": {"type": "object", "additionalProperties": True},
    },
}
