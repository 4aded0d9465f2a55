"""The Celery application; the worker, beat, asgi.py and manage.py import it."""

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import celeryd_init, setup_logging
from django.conf import settings
from django.utils.log import configure_logging
from django_structlog.celery.signals import bind_extra_task_metadata
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "devora_ops.settings")

app = Celery("devora_ops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# What a task logs carries the id of the request that sent it, which came with it.
app.steps["worker"].add(DjangoStructLogInitStep)


def _log_as_all_do(**_: Any) -> None:
    """Set our logging up in Celery's place, which is left out where somebody does."""
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


def _name_task(task: Any, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task=task.name)


# The worker warns before it sets up its logs, beat does not say when it begins.
celeryd_init.connect(_log_as_all_do, weak=False)
setup_logging.connect(_log_as_all_do, weak=False)
bind_extra_task_metadata.connect(_name_task, weak=False)
