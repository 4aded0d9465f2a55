"""The settings of the processes under test: the product's own, static files unbuilt."""

from devora_ops.settings import *  # noqa: F403
from devora_ops.settings import STORAGES

STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
WHITENOISE_USE_FINDERS = True
