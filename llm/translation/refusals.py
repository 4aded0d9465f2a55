"""How a request is refused that the other format cannot say."""

from devora_ops.common.errors import InvalidRequest


def unsupported(param: str, sentence: str) -> InvalidRequest:
    """Return the refusal of what does not exist in the other format."""
    return InvalidRequest(sentence, code="unsupported_parameter", param=param)


def malformed(param: str, sentence: str) -> InvalidRequest:
    """Return the refusal of what has no meaning in its own format."""
    return InvalidRequest(sentence, code="invalid", param=param)
