"""Render prompt templates: the one template engine of the product.

A source is checked and rewritten (prompts.template) before minijinja sees it; what
is put out, and what filters work through, is metered exactly; the rest is bounded by
fuel in proportion to the longest value. Nothing here knows Django or a loader.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import minijinja

from prompts.template.errors import (
    TemplateError,
    TemplateForbidden,
    TemplateInvalid,
    TemplateSyntax,
    TemplateTooExpensive,
    TemplateTooLarge,
    TemplateVariableMissing,
)
from prompts.template.filters import Filters, readable
from prompts.template.parser import Parsed, parse
from prompts.template.values import Values, check_name, copy_values
from prompts.template.vocabulary import ENGINE_FILTERS, ENGINE_NAMES

__all__ = [
    "TemplateError",
    "TemplateForbidden",
    "TemplateInfo",
    "TemplateInvalid",
    "TemplateSyntax",
    "TemplateTooExpensive",
    "TemplateTooLarge",
    "TemplateVariableMissing",
    "check",
    "check_messages",
    "check_name",
    "render",
    "render_messages",
    "texts",
]

MAX_TEMPLATES: Final = 32
MAX_MESSAGES: Final = 200
# An instruction may copy or compare the longest value, and loops may be of little else:
# the worst found took a quarter of a second of CPU before it was refused.
_FUEL_BYTES = 256 * 8 * 1024 * 1024
_MAX_FUEL = 300_000
_MIN_FUEL = 32
_CACHE_ENTRIES = 512
_CACHE_BYTES = 8 * 1024 * 1024
_UNDEFINED = re.compile(r"`(.+)` is undefined", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """What a source asks for.

    optional: the variables that the source itself guards by `default` or
    `is defined`, so that a render may go without them.
    """

    variables: tuple[str, ...]
    optional: frozenset[str] = frozenset()

    def __or__(self, other: "TemplateInfo") -> "TemplateInfo":
        """Join two sources: optional is what neither of them needs."""
        names = tuple(sorted({*self.variables, *other.variables}))
        needed = self.needed | other.needed
        return TemplateInfo(names, frozenset(names) - needed)

    @property
    def needed(self) -> frozenset[str]:
        """The variables that a render cannot go without."""
        return frozenset(self.variables) - self.optional


def check(source: str) -> TemplateInfo:
    """Check one source without rendering it; raises a TemplateError."""
    parsed = _engine().compiled(source).parsed
    return TemplateInfo(parsed.variables, parsed.optional)


def check_messages(messages: Sequence[Mapping[str, Any]]) -> TemplateInfo:
    """Check every text of a list of chat messages; raises a TemplateError."""
    info = TemplateInfo(())
    for source in _limited(messages):
        info |= check(source)
    return info


def render(source: str, variables: Mapping[str, Any]) -> str:
    """Return the text of a source; a value is put out as it is, never rendered."""
    return _engine().render([source], copy_values(variables))[0]


def render_messages(
    messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return chat messages whose texts are rendered; all else in them stays as it is.

    A text is a message's string content, or the `text` of one of its parts.
    """
    sources = list(_limited(messages))
    rendered = iter(_engine().render(sources, copy_values(variables)))
    return [_with_texts(message, rendered) for message in messages]


def _limited(messages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if len(messages) > MAX_MESSAGES:
        raise TemplateTooExpensive(f"A prompt has {MAX_MESSAGES} messages at most.")
    for message in messages:
        yield from texts(message)


def texts(message: Mapping[str, Any]) -> Iterator[str]:
    """Give the templates of one message: its text, or those of its parts."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if _is_text(part))


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _with_texts(message: Mapping[str, Any], rendered: Iterator[str]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, str):
        content = next(rendered)
    elif isinstance(content, list):
        content = [
            {**part, "text": next(rendered)} if _is_text(part) else part
            for part in content
        ]
    return {**message, "content": content} if "content" in message else dict(message)


@dataclass(frozen=True, slots=True)
class _Compiled:
    name: str
    parsed: Parsed


class _Engine:
    """A minijinja environment with its compiled templates; one for each thread.

    The meter and the fuel belong to the render that is going on, so an environment
    cannot be shared between threads.
    """

    def __init__(self) -> None:
        self._filters = Filters()
        self._cache: OrderedDict[str, _Compiled] = OrderedDict()
        self._cached_bytes = 0
        self._made = 0
        self._environment = _environment(self._filters)

    def compiled(self, source: str) -> _Compiled:
        """Return a source checked and compiled, from the cache when it is there."""
        if found := self._cache.get(source):
            self._cache.move_to_end(source)
            return found
        parsed = parse(source)
        self._made += 1
        compiled = _Compiled(str(self._made), parsed)
        self._add(compiled)
        self._cache[source] = compiled
        self._cached_bytes += len(parsed.canonical)
        self._evict()
        return compiled

    def render(self, sources: Sequence[str], values: Values) -> list[str]:
        """Render sources with the same values, within one set of limits."""
        compiled = [self.compiled(source) for source in sources]
        dynamic = [entry for entry in compiled if not entry.parsed.static]
        _require(dynamic, values)
        if len(dynamic) > MAX_TEMPLATES:
            message = f"A prompt has {MAX_TEMPLATES} messages with variables at most."
            raise TemplateTooExpensive(message)
        self._filters.reset()
        fuel = _fuel(dynamic, values) // max(1, len(dynamic))
        self._environment.fuel = max(_MIN_FUEL, fuel)
        return [
            self._filters.show(source)
            if entry.parsed.static
            else self._run(entry, values)
            for source, entry in zip(sources, compiled, strict=True)
        ]

    def _run(self, entry: _Compiled, values: Values) -> str:
        try:
            return self._environment.render_template(entry.name, **values.data)
        except TemplateError:
            raise
        except minijinja.TemplateError as error:
            raise _translated(error) from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            message = "The template cannot be rendered with these values."
            raise TemplateInvalid(message) from None

    def _add(self, compiled: _Compiled) -> None:
        try:
            self._environment.add_template(compiled.name, compiled.parsed.canonical)
        except minijinja.TemplateError:
            message = "The template is nested too deeply."
            raise TemplateTooExpensive(message) from None

    def _evict(self) -> None:
        while len(self._cache) > _CACHE_ENTRIES or self._cached_bytes > _CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._environment.remove_template(oldest.name)
            self._cached_bytes -= len(oldest.parsed.canonical)


def _environment(filters: Filters) -> minijinja.Environment:
    environment = minijinja.Environment(
        undefined_behavior="strict",
        pycompat=False,
        debug=True,
        keep_trailing_newline=True,
        auto_escape_callback=lambda _name: None,
        finalizer=filters.show,
    )
    for name in ENGINE_NAMES["globals"]:
        environment.remove_global(name)
    for name in ENGINE_NAMES["filters"] - ENGINE_FILTERS:
        environment.remove_filter(name)
    for name, implementation in filters.table().items():
        environment.add_filter(name, implementation)
    environment.add_global("range", filters.range)
    environment.add_global("_missing", filters.missing)
    return environment


def _require(compiled: Sequence[_Compiled], values: Values) -> None:
    needed = {
        name
        for entry in compiled
        for name in entry.parsed.variables
        if name not in entry.parsed.optional
    }
    if missing := needed - values.data.keys():
        raise TemplateVariableMissing(missing)


def _fuel(compiled: Sequence[_Compiled], values: Values) -> int:
    longest = values.longest
    for entry in compiled:
        longest = max(longest, entry.parsed.longest_literal)
        if entry.parsed.compared:
            weight = values.comparison_weight(entry.parsed.compared)
            longest = max(longest, weight)
    return min(_MAX_FUEL, _FUEL_BYTES // longest)


def _translated(error: minijinja.TemplateError) -> TemplateError:
    if error.kind == "OutOfFuel":
        return TemplateTooExpensive("Rendering takes too many steps.")
    if error.kind == "UndefinedError":
        found = _UNDEFINED.search(error.detail or "")
        return TemplateVariableMissing([readable(found[1] if found else "variable")])
    # The engine's own words may quote values; the kind of error says enough.
    return TemplateInvalid(f"The template cannot be rendered: {error.kind}.")


_threads = threading.local()


def _engine() -> _Engine:
    engine: _Engine | None = getattr(_threads, "engine", None)
    if engine is None:
        engine = _threads.engine = _Engine()
    return engine
