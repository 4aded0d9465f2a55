"""The settings of the test-suite: the real ones, on servers that the suite starts.

With DATABASE_URL and REDIS_URL in the environment those are used; otherwise the
embedded Postgres and Redis run for as long as the suite does. Workers of pytest-xdist
inherit the environment, so only the first process starts anything.
"""

import os

from tests.servers import provide_environment

provide_environment()
os.environ["DEVORA_DEMO"] = "0"

from devora_ops.settings import *  # noqa: E402, F403
from devora_ops.settings import DATABASES  # noqa: E402

DATABASES["default"]["OPTIONS"].pop("pool")  # test databases come and go
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "local": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
WHITENOISE_AUTOREFRESH = True  # nothing is collected, and that is no cause to warn
