"""Connections from the pool that are alive, at once even after Postgres was restarted.

The pool's own look at what it lends waits longer after every dead connection it finds:
with four of them, whoever asked was turned away.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection of one thread."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, or take a living connection out of the pool."""
        connection = super().get_new_connection(conn_params)
        pool = self.pool
        if pool is None or _is_alive(connection):
            return connection
        pool.putconn(connection)
        pool.check()  # what died with it is replaced together
        return super().get_new_connection(conn_params)


def _is_alive(connection: Any) -> bool:
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.OperationalError:
        return False
    return True
