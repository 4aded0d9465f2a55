"""Django's database backend for Postgres, with a pool that survives restarts."""
