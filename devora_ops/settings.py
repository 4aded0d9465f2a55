"""Every setting, read once from the environment, top to bottom.

`manage.py` prepares the environment first: it reads `.env`, makes the secrets that
are missing and finds (or starts) the embedded servers. A wrong value stops the start
with the variable's name and what is allowed.
"""

import logging
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from devora_ops import __version__
from devora_ops.common.crypto import FieldCipher
from devora_ops.common.log_lines import logging_config
from devora_ops.installation.mail import mail_settings
from devora_ops.schedules import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- Where things are -----------------------------------------------------------
DEVORA_DATA = Path(env.str("DEVORA_DATA", default=str(BASE_DIR / ".devora")))
PORT = env.int("PORT", default=8000)
DEVORA_URL = env.str("DEVORA_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
DEVORA_DEMO = env.bool("DEVORA_DEMO", default="DATABASE_URL" not in env.ENVIRON)
DATABASE_URL = env.str("DATABASE_URL", default="postgres:///devora")
DEVORA_METRICS_TOKEN = env.str("DEVORA_METRICS_TOKEN", default="")
# How many web processes share limits; the server itself starts as many.
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=1)
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")

try:
    _url = urlsplit(DEVORA_URL)
    if _url.scheme not in {"http", "https"} or not _url.hostname or _url.port == 0:
        raise ValueError
except ValueError as error:
    raise ImproperlyConfigured(
        f"DEVORA_URL={DEVORA_URL!r}: it must be the address people open, such as "
        "https://ops.example.com."
    ) from error
HTTPS = _url.scheme == "https"

# --- Secrets --------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
DEVORA_FIELD_KEYS = env.list("DEVORA_FIELD_KEYS", default=[])
if not SECRET_KEY or not DEVORA_FIELD_KEYS:
    raise ImproperlyConfigured(
        "SECRET_KEY and DEVORA_FIELD_KEYS are not set: start through manage.py, which "
        "makes them in $DEVORA_DATA/secrets, or set both in the environment."
    )
try:
    FieldCipher(DEVORA_FIELD_KEYS)
except ValueError as error:
    raise ImproperlyConfigured(
        "DEVORA_FIELD_KEYS: each key, comma-separated, must be 32 bytes in URL-safe "
        "base64, such as those in $DEVORA_DATA/secrets."
    ) from error
DEVORA_STORE_CONTENT = env.str("DEVORA_STORE_CONTENT", default="full")
if DEVORA_STORE_CONTENT not in {"full", "masked", "off"}:
    raise ImproperlyConfigured(
        f"DEVORA_STORE_CONTENT={DEVORA_STORE_CONTENT!r}: use full, masked or off."
    )
DEVORA_ALLOWED_INTERNAL_HOSTS = env.list("DEVORA_ALLOWED_INTERNAL_HOSTS", default=[])

# --- Django ---------------------------------------------------------------------
DEBUG = False
ALLOWED_HOSTS = sorted({_url.hostname, "127.0.0.1", "localhost"})
ROOT_URLCONF = "devora_ops.urls"
ASGI_APPLICATION = "devora_ops.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "ops.User"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the default one would replace our admin site
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "devora_ops.apps.AdminSiteConfig",
    "devora_ops.apps.DevoraOpsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "devora_ops.static_files.ChosenStaticFiles",
    "django_htmx",
    "django_structlog",
    "csp",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "devora_ops.common",
    "costs",
    "llm",
    "rag",
    "prompts",
    "experiments",
    "devora_ops.dashboard",
]

MIDDLEWARE = [
    "devora_ops.common.rest.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "devora_ops.common.rest.middleware.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "devora_ops.common.rest.middleware.DatabaseRefusalMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {
        "options": "-c statement_timeout=15s -c lock_timeout=5s "
        "-c idle_in_transaction_session_timeout=30s",
    }
)
if "DATABASE_URL" in env.ENVIRON:  # else no command is run that needs one
    # One ASGI process leaked 125 persistent connections; a pool bounds them. Our backend
    # looks at a connection before it is used; after an outage it waits for no back-off.
    DATABASES["default"]["ENGINE"] = "devora_ops.common.postgres_backend"
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": 8,
        "timeout": 5,
        "reconnect_timeout": 2,
    }

CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "devora",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "IGNORE_EXCEPTIONS": True,
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
        },
    }
}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "devora_ops.static_files.StaticFilesStorage"},
}
# Source maps are half of all bytes, and no page asks for them.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (
    *("jpg", "jpeg", "png", "gif", "webp", "ico", "woff", "woff2", "gz", "br", "zip"),
    "map",
)
STATIC_URL = "/static/"
STATIC_ROOT = DEVORA_DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# --- Signing in -----------------------------------------------------------------
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# The prefix binds the cookie to this host, but browsers take it over https only.
SESSION_COOKIE_NAME = "__Host-devora" if HTTPS else "devora"
CSRF_COOKIE_NAME = "__Host-devora-csrf" if HTTPS else "devora-csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "devora_ops.common.error_pages.csrf_failure"
CSRF_TRUSTED_ORIGINS = [DEVORA_URL]

# --- Browser side ---------------------------------------------------------------
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Unfold's Alpine evaluates expressions; inline scripts stay forbidden.
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF, "ws:", "wss:"],
        "frame-ancestors": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "object-src": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Language and time ----------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- Live updates and jobs ------------------------------------------------------
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "devora-channels"},
    },
    # Every web process hears of settled calls from Postgres itself and tells its own
    # sockets, so one process's news must not travel to the others again.
    "local": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 1000},
    },
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 1800,
    "global_keyprefix": "devora-celery:",
    "socket_keepalive": True,
    "health_check_interval": 30,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 900
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Messages carry the id of the request that sent them.
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DEVORA_DATA / "beat-schedule")
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

# --- Mail and Slack ---------------------------------------------------------------
EMAIL_URL = env.str("EMAIL_URL", default="")
SLACK_WEBHOOK_URL = env.str("SLACK_WEBHOOK_URL", default="")
_mail = mail_settings(EMAIL_URL, here=_url.hostname)
globals().update(_mail)
WHAT_IF_TIMEOUT_S = 60  # a statement; ten million attempts are read in half of it
EMAIL_TIMEOUT = 10  # a command; see the outbox's longest job

# --- REST -----------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "llm.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["devora_ops.common.rest.permissions.RolePermission"],
    "DEFAULT_PARSER_CLASSES": ["devora_ops.common.rest.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": (
        "devora_ops.common.rest.negotiation.StrictNegotiation"
    ),
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_RENDERER_CLASSES": ["devora_ops.common.rest.renderers.ORJSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "devora_ops.common.rest.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "devora_ops.common.rest.schema.Schema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "PAGE_SIZE": 50,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "devora_ops.common.rest.errors.ExceptionHandler"
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Devora Ops",
    "DESCRIPTION": "The gateway at /v1 and the control plane at /api/v1.",
    "VERSION": __version__,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AlertKindEnum": "costs.models.AlertKind.choices",
        "CallStatusEnum": "costs.models.CallStatus.choices",
        "DocumentKindEnum": "rag.models.Kind.choices",
        "DocumentStatusEnum": "rag.models.Status.choices",
        "ExperimentStatusEnum": "experiments.models.Status.choices",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "llm.api.gateway_schema.add_gateway",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The admin's look -----------------------------------------------------------
_NAVIGATION = "devora_ops.dashboard.navigation"
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Devora Ops",
    "SITE_HEADER": "Devora Ops",
    "SITE_SUBHEADER": _("Every model call, accounted for"),
    "SITE_URL": None,
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": f"{_NAVIGATION}.favicon",
        }
    ],
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"action": reverse_lazy("dashboard:language")},
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": f"{_NAVIGATION}.environment",
    "STYLES": [f"{_NAVIGATION}.stylesheet"],
    "SCRIPTS": [f"{_NAVIGATION}.keyboard_script", f"{_NAVIGATION}.frame_script"],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": f"{_NAVIGATION}.sidebar",
    },
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "#eef7ff",
            "100": "#d9edff",
            "200": "#bce0ff",
            "300": "#8eceff",
            "400": "#59b2ff",
            "500": "#2f8ff7",
            "600": "#1565c8",
            "700": "#155bb5",
            "800": "#174e92",
            "900": "#194378",
            "950": "#142a4b",
        },
        # At least 4.5:1 on every surface that Unfold sets them on.
        "font": {
            "subtle-light": "#5b6a7f",
            "subtle-dark": "#94a3b8",
            "default-light": "#475569",
            "default-dark": "#cbd5e1",
            "important-light": "#0f172a",
            "important-dark": "#f1f5f9",
        },
    },
}

# --- Logs -----------------------------------------------------------------------
_SECRETS = (
    *(SECRET_KEY, *DEVORA_FIELD_KEYS, DATABASES["default"].get("PASSWORD") or ""),
    unquote(urlsplit(REDIS_URL).password or ""),
    *(_mail["EMAIL_HOST_PASSWORD"], SLACK_WEBHOOK_URL),
    *(v for k, v in env.ENVIRON.items() if k.endswith(("_KEY", "_TOKEN", "_PASSWORD"))),
)
LOGGING_CONFIG = "devora_ops.common.log_lines.configure"
# A person reads a terminal; files and collectors are read by programs first.
LOGGING = logging_config(
    as_json=HTTPS or not sys.stderr.isatty(), secrets=filter(None, _SECRETS)
)
