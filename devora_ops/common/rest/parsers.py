"""How bodies come in: JSON strictly, CSV as the bytes that it is."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser, JSONParser

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


class CSVParser(BaseParser):
    """Hands on the bytes: only who knows the columns can say which line is wrong."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as it came."""
        return stream.read()
