"""A statement that is run for every call, below psycopg's cursors.

A cursor costs this process as much as all the rest of a round trip to Postgres.
"""

import asyncio
import itertools
from collections.abc import Sequence
from weakref import WeakSet

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from devora_ops.common.postgres import Connection

Row = tuple[bytes | None, ...]

_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_numbers = itertools.count(1)


class Statement:
    """Prepared once on each connection that runs it; parameters are $1, $2…

    What goes in and comes out is text, as Postgres writes it.
    """

    def __init__(self, query: str) -> None:
        self._name = b"devora_%d" % next(_numbers)
        self._query = query.encode()
        self._prepared: WeakSet[Connection] = WeakSet()

    async def run(self, connection: Connection, parameters: Sequence[str]) -> list[Row]:
        """Return the rows. The connection has no other user meanwhile.

        Raises psycopg.Error. Whoever is cancelled has to close the connection: it is
        in the middle of an answer.
        """
        to_postgres = connection.pgconn
        if connection not in self._prepared:
            to_postgres.send_prepare(self._name, self._query)
            await _answer(connection)
            self._prepared.add(connection)
        encoded = [each.encode() for each in parameters]
        to_postgres.send_query_prepared(self._name, encoded)
        result = await _answer(connection)
        columns = range(result.nfields)
        return [
            tuple([result.get_value(row, column) for column in columns])
            for row in range(result.ntuples)
        ]


async def _answer(connection: Connection) -> PGresult:
    to_postgres = connection.pgconn
    results: Sequence[PGresult]
    if to_postgres.flush():  # more than the socket takes at once
        results = await connection.wait(generators.execute(to_postgres))
    else:
        results = await _arrived(to_postgres)
    for result in results:
        if result.status not in _GOOD:
            raise _error(result)
    return results[0]


async def _arrived(to_postgres: PGconn) -> list[PGresult]:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[list[PGresult]] = loop.create_future()
    results: list[PGresult] = []

    def read() -> None:
        try:
            to_postgres.consume_input()
            while not (arrived.done() or to_postgres.is_busy()):
                result = to_postgres.get_result()
                if result is None:
                    arrived.set_result(results)
                else:
                    results.append(result)
        except psycopg.Error as error:
            if not arrived.done():
                arrived.set_exception(error)

    socket = to_postgres.socket
    loop.add_reader(socket, read)
    try:
        return await arrived
    finally:
        loop.remove_reader(socket)


def _error(result: PGresult) -> psycopg.Error:
    state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
    message = result.error_message.decode("utf-8", "replace").strip()
    if state is None:  # libpq's own: the connection is lost
        return psycopg.OperationalError(message)
    return psycopg.errors.lookup(state.decode())(message)
