"""The Celery application; the worker, beat, asgi.py and manage.py import it."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "devora_ops.settings")

app = Celery("devora_ops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
