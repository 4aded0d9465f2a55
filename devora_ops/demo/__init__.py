"""Demo data: a month of history, a live trickle, and calls by the million for tests."""
