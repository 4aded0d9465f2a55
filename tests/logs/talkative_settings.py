"""The settings of processes that log all they can, with pages that break."""

from tests.installation_settings import *  # noqa: F403
from tests.installation_settings import LOGGING

LOGGING["root"]["level"] = "DEBUG"
ROOT_URLCONF = "tests.logs.breaking_urls"
