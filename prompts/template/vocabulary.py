"""The words a template may use; everything that is not here is refused."""

FILTERS: dict[str, tuple[str, ...]] = {
    "abs": (),
    "capitalize": (),
    "count": (),
    "d": ("value", "boolean"),
    "default": ("value", "boolean"),
    "first": (),
    "float": ("default",),
    "int": ("default",),
    "items": (),
    "join": ("d",),
    "last": (),
    "length": (),
    "lower": (),
    "replace": ("old", "new", "count"),
    "reverse": (),
    "round": ("precision", "method"),
    "sort": ("reverse",),
    "string": (),
    "title": (),
    "tojson": ("indent",),
    "trim": (),
    "truncate": ("length", "killwords", "end"),
    "unique": (),
    "upper": (),
}
"""Filter → the names of its arguments, in order."""

GUARD_FILTERS = frozenset({"d", "default"})
GUARD_TESTS = frozenset({"defined", "undefined"})
TESTS = GUARD_TESTS | {
    "boolean",
    "even",
    "false",
    "float",
    "integer",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
}

CONSTANTS = {
    "true": "true",
    "True": "true",
    "false": "false",
    "False": "false",
    "none": "none",
    "None": "none",
}
KEYWORDS = frozenset(CONSTANTS) | {
    "and",
    "else",
    "elif",
    "endfor",
    "endif",
    "for",
    "if",
    "in",
    "is",
    "not",
    "or",
}
RESERVED = frozenset(
    {
        "caller",
        "cycler",
        "joiner",
        "kwargs",
        "loop",
        "namespace",
        "range",
        "request",
        "self",
        "settings",
        "super",
        "varargs",
    }
)
"""Names that other engines or frameworks give a meaning; no variable is called so."""

LOOP_NAMES = frozenset(
    f'loop["{name}"]'
    for name in (
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
    )
)
FORBIDDEN_TAGS = frozenset(
    {
        "autoescape",
        "block",
        "break",
        "call",
        "continue",
        "do",
        "extends",
        "filter",
        "from",
        "import",
        "include",
        "macro",
        "namespace",
        "set",
        "trans",
        "with",
    }
)
ENGINE_FILTERS = frozenset({"d", "default"})
"""The filters that stay the engine's own; all others are ours, and metered."""

ENGINE_NAMES = {
    "globals": frozenset(
        {"cycler", "debug", "dict", "joiner", "lipsum", "namespace", "range"}
    ),
    "filters": frozenset(
        {
            "abs",
            "attr",
            "batch",
            "bool",
            "capitalize",
            "center",
            "chain",
            "count",
            "d",
            "datetimeformat",
            "dateformat",
            "default",
            "dictsort",
            "e",
            "escape",
            "filesizeformat",
            "first",
            "float",
            "format",
            "groupby",
            "indent",
            "int",
            "items",
            "join",
            "last",
            "length",
            "lines",
            "list",
            "lower",
            "map",
            "max",
            "min",
            "pluralize",
            "pprint",
            "random",
            "reject",
            "rejectattr",
            "replace",
            "reverse",
            "round",
            "safe",
            "select",
            "selectattr",
            "slice",
            "sort",
            "split",
            "string",
            "striptags",
            "sum",
            "timeformat",
            "title",
            "tojson",
            "trim",
            "truncate",
            "unique",
            "upper",
            "urlencode",
            "wordcount",
            "wordwrap",
            "zip",
        }
    ),
}
"""What minijinja brings along, to be taken out of the environment."""
