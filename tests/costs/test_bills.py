"""Bills are read for as long as somebody waits, and no longer."""

import psycopg
import pytest

from costs.bills import TooSlow, explained
from costs.selectors import Slice
from tests.dashboard.ledger import utc

DAY = Slice(utc(2026, 3, 1), utc(2026, 3, 2), {})


def test_what_takes_too_long_is_refused_with_what_would_help(committed_db):
    with psycopg.connect(committed_db) as other:
        other.execute("LOCK TABLE costs_attempt IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TooSlow, match="shorter periods") as caught:
            explained(DAY, DAY, timeout_ms=50)
    assert caught.value.status == 503
