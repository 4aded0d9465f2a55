# Everything works from a fresh clone: each target makes .venv from the locks first.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
INSTALL := "$(PYTHON)" -I devora_ops/dependencies.py
# What `check` loads settings with; nothing is ever encrypted or signed with these.
SETTINGS := SECRET_KEY=only-for-checks-$$(printf '%048d' 1234567890) \
	DEVORA_FIELD_KEYS=b25seS1mb3ItY2hlY2tzLW5ldmVyLWZvci1zZWNyZXQ=
PRODUCTION := $(SETTINGS) DEVORA_URL=https://ops.example.com \
	DATABASE_URL='postgres://check@127.0.0.1/check' REDIS_URL=redis://127.0.0.1/0

# Dependencies are installed uncompiled; the first to import them keeps the result.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := run
.PHONY: run test check bench bench-peers chaos install install-dev

run: install
	@exec $(VENV_PYTHON) manage.py up

test: install-dev
	@$(VENV_PYTHON) -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

check: install-dev
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(SETTINGS) $(VENV_PYTHON) -m mypy .
	.venv/bin/lint-imports
	$(SETTINGS) $(VENV_PYTHON) -W ignore::RuntimeWarning manage.py \
		makemigrations --check --dry-run  # it warns that it sees no database
	$(PRODUCTION) $(VENV_PYTHON) manage.py check --deploy --fail-level WARNING

bench: install-dev
	@$(VENV_PYTHON) -m benchmarks $(ARGS)

bench-peers: install-dev
	@$(VENV_PYTHON) -m benchmarks peers

chaos: install-dev
	@$(VENV_PYTHON) -m pytest -n 0 --figures tests/chaos $(ARGS)

install:
	@$(INSTALL) requirements.lock

install-dev:
	@$(INSTALL) requirements.lock requirements-dev.lock
