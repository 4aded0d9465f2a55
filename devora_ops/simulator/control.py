"""The simulator's own endpoints, under /__sim__/.

GET  state                    counts, in all and by model; how many answers wait
GET  requests?attempt=ID      the last requests as they arrived, oldest first
POST release?model=M&count=N  let held answers go: the oldest N (all) of M (any)
POST act?model=M&as=NAME      from now on M behaves like NAME; without `as` like itself
POST reset                    forget counts, requests, roles and what `once` has seen
"""

from typing import Any
from urllib.parse import parse_qs

import orjson

from devora_ops.simulator import behaviours
from devora_ops.simulator.connection import Connection
from devora_ops.simulator.memory import Memory

PREFIX = "/__sim__/"
_HEADERS = [(b"content-type", b"application/json")]


async def control(connection: Connection, memory: Memory) -> None:
    """Answer one request under PREFIX."""
    scope = connection.scope
    await connection.body()
    name = f"{scope['method']} {scope['path'].removeprefix(PREFIX)}"
    query = {
        key: values[-1]
        for key, values in parse_qs(scope["query_string"].decode()).items()
    }
    status, value = _answer(name, query, memory)
    await connection.respond(status, _HEADERS, orjson.dumps(value))


def _answer(name: str, query: dict[str, str], memory: Memory) -> tuple[int, Any]:
    if name == "GET state":
        return 200, memory.state()
    if name == "GET requests":
        return 200, memory.requests.shown(query.get("attempt"))
    if name == "POST release":
        return _release(query, memory)
    if name == "POST act":
        return _act(query, memory)
    if name == "POST reset":
        memory.forget()
        return 200, {}
    return 404, {"error": f"There is no {name} here."}


def _act(query: dict[str, str], memory: Memory) -> tuple[int, Any]:
    model, role = query.get("model", ""), query.get("as")
    if role is None:
        memory.roles.pop(model, None)
        return 200, {}
    try:
        behaviours.parse(role)
    except behaviours.UnknownWordError as error:
        return 400, {"error": f"The simulator does not know '{error}' in '{role}'."}
    memory.roles[model] = role
    return 200, {}


def _release(query: dict[str, str], memory: Memory) -> tuple[int, Any]:
    count = query.get("count", "")
    if count and not count.isdigit():
        return 400, {"error": "count must be a number"}
    released = memory.holds.release(
        model=query.get("model"), count=int(count) if count else None
    )
    return 200, {"released": released}
