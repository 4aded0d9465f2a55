"""How static files are gathered and compressed: what pages ask for, quickly.

Brotli at full strength costs seconds of CPU a megabyte of scripts, and a first start
waits for it: compressing everything took eight times as long.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Only the API reference has them; gzip alone serves it well enough.
_RARE = "drf_spectacular_sidecar"


class ChosenStaticFiles(StaticFilesConfig):
    """Leaves out what packages bring along for pages that we do not have.

    Redoc (the reference is Swagger UI), DRF's browsable interface, and a second htmx.
    """

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "redoc",
        "rest_framework",
        "django_htmx",
    ]


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Compresses the files that pages name, which are those with a hash."""

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress; the manifest's values are the names that pages use."""
        named = set(self.hashed_files.values())
        yield from super().compress_files(named.intersection(paths))

    def create_compressor(self, **options: Any) -> Compressor:
        """Return the one that spares rare files the slow part."""
        return _Compressor(**options)


class _Compressor(Compressor):  # type: ignore[misc]
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._quick = Compressor(**options, use_brotli=False)

    def compress(self, path: str) -> list[str]:
        if _RARE in path:
            return list(self._quick.compress(path))
        return list(super().compress(path))
