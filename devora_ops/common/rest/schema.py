"""How views describe themselves in the OpenAPI schema."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers


class ErrorSerializer(serializers.Serializer[Any]):
    """What is wrong; attr names the field or parameter, if one is to blame."""

    code = serializers.CharField()
    detail = serializers.CharField()
    attr = serializers.CharField(allow_null=True)


class ErrorsSerializer(serializers.Serializer[Any]):
    """The body of every refusal."""

    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]


class Schema(AutoSchema):
    """Adds what all our views share: parameters, scopes and one shape of errors."""

    def get_override_parameters(self) -> list[Any]:
        """Return the view's query parameters."""
        query = getattr(self.view, "query", None)
        return [query] if query and self.method == "GET" else []

    def get_summary(self) -> str:
        """Return the first sentence of the docstring."""
        told: str = super().get_description() or ""
        return told.partition("\n")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]
        """Return the docstring and the scope that a key needs."""
        told = super().get_description() or ""
        scope = (getattr(self.view, "scopes", None) or {}).get(self.method, "admin")
        return f"{told}\n\nScope of the API key: `{scope}`.".strip()

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        """Return the class's name, with the view's when it is nested in one."""
        name: str = type(serializer).__qualname__
        return name.replace(".", "")

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for statuses in ("4XX", "5XX"):
            bodies[statuses] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                ErrorsSerializer, statuses
            )
        return bodies
