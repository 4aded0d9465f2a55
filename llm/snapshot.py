"""Keys, providers, models and routes as the data plane reads them."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg.rows import dict_row

from costs.facts import Who
from devora_ops.common.crypto import FieldCipher, SealBroken
from devora_ops.common.postgres import Connection
from devora_ops.common.snapshots import Snapshot
from llm.limit import Limit
from llm.policy import BULKHEAD_SIZE, USUAL, RoutePolicy

log = logging.getLogger("[LLM]")


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may call: its digest, its scopes, and whom it calls for.

    limits: what counts its calls, the key and its agent, where they have limits. who:
    the dimensions that its calls begin with.
    """

    public_id: str
    digest: bytes
    scopes: frozenset[str]
    expires_at: dt.datetime | None
    agent: str
    team: str
    content: str
    limits: tuple[tuple[str, Limit], ...] = ()
    who: Who = field(init=False)

    def __post_init__(self) -> None:
        """Name who calls, once for all calls of the key."""
        who = Who(team=self.team, agent=self.agent, key=self.public_id)
        object.__setattr__(self, "who", who)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider as it is called: where, in which format, with which secret.

    bulkhead_size: the most calls to it at once, of one process.
    """

    slug: str
    kind: str
    base_url: str
    internal_allowed: bool
    secret: str = field(repr=False)
    bulkhead_size: int = BULKHEAD_SIZE


@dataclass(frozen=True, slots=True)
class Target:
    """One model that can serve a request.

    model: the name used everywhere, `provider/name`. abilities: by name, False where it
    is known to lack one. conditions: which requests a route sends it.
    """

    upstream: Upstream
    name: str
    weight: int = 1
    max_output_tokens: int | None = None
    context_window: int | None = None
    abilities: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    model: str = field(init=False)

    def __post_init__(self) -> None:
        """Put the name together once, for every call asks for it several times."""
        object.__setattr__(self, "model", f"{self.upstream.slug}/{self.name}")


@dataclass(frozen=True, slots=True)
class RouteSnapshot:
    """A public name and the models behind it, in order."""

    slug: str
    strategy: str
    default_max_tokens: int
    targets: tuple[Target, ...]
    policy: RoutePolicy = USUAL


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be called; models are keyed by `provider/name`.

    disabled: the models that somebody has switched off.
    """

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    models: Mapping[str, Target] = field(default_factory=dict)
    by_name: Mapping[str, Sequence[Target]] = field(default_factory=dict)
    routes: Mapping[str, RouteSnapshot] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()


_KEYS = """
SELECT k.public_id, k.digest, k.scopes, k.expires_at, a.slug, t.slug, a.store_content,
       k.requests_per_minute, k.tokens_per_minute, k.concurrent_calls,
       a.requests_per_minute, a.tokens_per_minute, a.concurrent_calls
FROM llm_apikey AS k
JOIN llm_agent AS a ON a.id = k.agent_id JOIN ops_team AS t ON t.id = a.team_id
WHERE k.revoked_at IS NULL AND a.is_active
"""


async def load_keys(connection: Connection) -> Mapping[str, Key]:
    """Read the keys that are not revoked, by their public id."""
    cursor = await connection.execute(_KEYS)
    rows: list[Any] = await cursor.fetchall()
    return {row[0]: _key(*row) for row in rows}


def _key(public_id: str, digest: bytes, scopes: list[str], *rest: Any) -> Key:
    expires_at, agent, team, content, *limits = rest
    buckets = (
        (f"key:{public_id}", Limit(*limits[:3])),
        (f"agent:{agent}", Limit(*limits[3:])),
    )
    return Key(
        public_id,
        bytes(digest),
        frozenset(scopes),
        expires_at,
        agent,
        team,
        content,
        tuple(bucket for bucket in buckets if bucket[1].limits),
    )


class CatalogueLoader:
    """Reads providers, models and routes, and opens the providers' secrets."""

    def __init__(self, cipher: FieldCipher) -> None:
        self._cipher = cipher

    async def __call__(self, connection: Connection) -> Catalogue:
        """Read everything that is active."""
        upstreams = await self._upstreams(connection)
        models, disabled = await self._models(connection, upstreams)
        by_name: defaultdict[str, list[Target]] = defaultdict(list)
        for target in models.values():
            by_name[target.name].append(target)
        routes = await self._routes(connection, models)
        return Catalogue(upstreams, models, dict(by_name), routes, disabled)

    async def _upstreams(self, connection: Connection) -> dict[str, Upstream]:
        rows = await _rows(
            connection,
            "SELECT slug, kind, base_url, internal_allowed, sealed_secret, "
            "bulkhead_size FROM llm_provider WHERE is_active",
        )
        found = {}
        for row in rows:
            sealed = row.pop("sealed_secret")
            row["bulkhead_size"] = row["bulkhead_size"] or BULKHEAD_SIZE
            try:
                secret = self._open(row["slug"], sealed)
            except SealBroken as error:
                log.error("provider %s is left out: its key %s", row["slug"], error)
                continue
            found[row["slug"]] = Upstream(**row, secret=secret)
        return found

    def _open(self, slug: str, sealed: str) -> str:
        if not sealed:
            return ""
        return self._cipher.unseal(sealed, owner=f"llm_provider:{slug}")

    async def _models(
        self, connection: Connection, upstreams: Mapping[str, Upstream]
    ) -> tuple[dict[str, Target], frozenset[str]]:
        rows = await _rows(
            connection,
            "SELECT p.slug, m.name, m.max_output_tokens, m.context_window, m.abilities,"
            " m.is_active "
            "FROM llm_model AS m JOIN llm_provider AS p ON p.id = m.provider_id",
        )
        targets = {
            f"{row['slug']}/{row['name']}": Target(
                upstreams[row["slug"]],
                row["name"],
                max_output_tokens=row["max_output_tokens"],
                context_window=row["context_window"],
                abilities=_object(row["abilities"]),
            )
            for row in rows
            if row["slug"] in upstreams and row["is_active"]
        }
        disabled = {f"{r['slug']}/{r['name']}" for r in rows if not r["is_active"]}
        return targets, frozenset(disabled)

    async def _routes(
        self, connection: Connection, models: Mapping[str, Target]
    ) -> dict[str, RouteSnapshot]:
        targets: defaultdict[str, list[Target]] = defaultdict(list)
        for row in await _rows(
            connection,
            "SELECT r.slug, p.slug || '/' || m.name AS model, t.weight, t.conditions "
            "FROM llm_routetarget AS t JOIN llm_route AS r ON r.id = t.route_id "
            "JOIN llm_model AS m ON m.id = t.model_id "
            "JOIN llm_provider AS p ON p.id = m.provider_id "
            "ORDER BY t.position, t.id",
        ):
            target = models.get(row["model"])
            if target is not None:
                targets[row["slug"]].append(
                    replace(
                        target,
                        weight=row["weight"],
                        conditions=_object(row["conditions"]),
                    )
                )
        routes = await _rows(
            connection,
            "SELECT slug, strategy, default_max_tokens, connect_s, first_byte_s, "
            "between_chunks_s, total_s, max_attempts, allow_duplicates, "
            "larger_when_too_long FROM llm_route WHERE is_active",
        )
        return {row["slug"]: _route(row, targets[row["slug"]]) for row in routes}


def _route(row: Mapping[str, Any], targets: Sequence[Target]) -> RouteSnapshot:
    policy = RoutePolicy(
        **{
            name: getattr(USUAL, name) if row[name] is None else row[name]
            for name in RoutePolicy.__slots__
        }
    )
    return RouteSnapshot(
        row["slug"],
        row["strategy"],
        row["default_max_tokens"],
        tuple(targets),
        USUAL if policy == USUAL else policy,
    )


def keys() -> Snapshot[Mapping[str, Key]]:
    """Return the snapshot of keys."""
    return Snapshot(
        tables=["llm_apikey", "llm_agent", "ops_team"], load=load_keys, empty={}
    )


def catalogue(cipher: FieldCipher) -> Snapshot[Catalogue]:
    """Return the snapshot of what can be called."""
    return Snapshot(
        tables=["llm_provider", "llm_model", "llm_route", "llm_routetarget"],
        load=CatalogueLoader(cipher),
        empty=Catalogue(),
    )


def _object(value: Any) -> Mapping[str, Any]:
    """Return a JSON object as it is; what somebody stored in its place says nothing."""
    return value if isinstance(value, dict) else {}


async def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query)
        return await cursor.fetchall()
