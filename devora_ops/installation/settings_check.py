"""Whether settings.py accepts the environment, before anything relies on it."""

import runpy

from devora_ops.embedded.errors import InstallationError


def check_settings() -> None:
    """Raise InstallationError, saying which variable is wrong and what is allowed.

    The module is run and forgotten: whoever loads it later reads what servers that
    start in between have put into the environment.
    """
    from django.core.exceptions import ImproperlyConfigured

    try:
        runpy.run_module("devora_ops.settings")
    except ImproperlyConfigured as error:
        raise InstallationError(str(error)) from error
