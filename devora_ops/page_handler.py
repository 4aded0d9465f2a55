"""Django under ASGI, each request in one go of its thread.

Django's own handler goes to the thread and back for every middleware. On a loop that is
busy with calls each way back waits for a turn: a login page, of ten milliseconds' work,
took a second.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class PageHandler(ASGIHandler):
    """ASGIHandler with its middlewares and views in the request's thread."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as WSGI has it."""
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer, made by the chain in its thread."""
        answer: Any = sync_to_async(self.get_response, thread_sensitive=True)
        response: HttpResponseBase = await answer(request)
        return response
