"""The one way a JSON body comes in."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser

from devora_ops.common.strict_json import StrictJSONError, loads


class StrictJSONParser(JSONParser):
    """Parses with `strict_json`; the reason of a refusal is the error's code."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body. Raises ParseError, or ValidationError for a field."""
        try:
            return loads(stream.read())
        except StrictJSONError as error:
            if error.path is None:
                raise ParseError(error.message, code=error.code) from error
            raise ValidationError({error.path: error.message}, error.code) from error
