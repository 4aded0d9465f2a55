"""Statements below psycopg's cursors, over real Postgres."""

import asyncio
import os
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from devora_ops.common.postgres import Connection, connect
from devora_ops.common.statement import Statement

ECHO = Statement("SELECT $1::text, NULL, upper(x) FROM unnest($2::text[]) AS u(x)")


@pytest_asyncio.fixture
async def connection() -> AsyncIterator[Connection]:
    connection = await connect(os.environ["DATABASE_URL"], application="test")
    yield connection
    await connection.close()


async def test_rows_are_texts_and_nulls(connection: Connection):
    for _ in range(3):
        rows = await ECHO.run(connection, ["é", "{a,b}"])
        assert rows == [("é".encode(), None, b"A"), ("é".encode(), None, b"B")]
    assert await ECHO.run(connection, ["", "{}"]) == []


async def test_cursors_work_before_and_after(connection: Connection):
    for number in range(3):
        cursor = await connection.execute("SELECT %s::int", [number])
        assert await cursor.fetchall() == [(number,)]
        assert await ECHO.run(connection, [str(number), "{x}"]) == [
            (b"%d" % number, None, b"X")
        ]


async def test_more_than_a_socket_takes_at_once_arrives(connection: Connection):
    long = "x" * 20_000_000
    ((found, _, _),) = await ECHO.run(connection, [long, "{a}"])
    assert found == long.encode()


async def test_an_error_has_its_class_and_leaves_the_connection_usable(
    connection: Connection,
):
    half = Statement("SELECT 1 / $1::int")
    with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
        await half.run(connection, ["0"])
    with pytest.raises(psycopg.errors.UndefinedTable):
        await Statement("SELECT * FROM there_is_no_such_table").run(connection, [])
    assert await half.run(connection, ["1"]) == [(b"1",)]


async def test_a_connection_that_dies_meanwhile_is_an_operational_error(
    connection: Connection,
):
    asleep = asyncio.create_task(
        Statement("SELECT pg_sleep($1::float)").run(connection, ["60"])
    )
    await asyncio.sleep(0.1)
    other = await connect(os.environ["DATABASE_URL"], application="test")
    async with other:
        await other.execute(
            "SELECT pg_terminate_backend(%s)", [connection.info.backend_pid]
        )
    with pytest.raises(psycopg.OperationalError):
        await asleep
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        await ECHO.run(connection, ["", "{}"])
