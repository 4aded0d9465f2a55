"""What the package shows, and what it costs to import."""

import inspect
import subprocess
import sys

import devora_ops.client as client
from devora_ops.client import (
    AnswerStream,
    AsyncAnswerStream,
    AsyncClient,
    AsyncEnhancedBaseAgent,
    Client,
    EnhancedBaseAgent,
)

# httpx comes first: what it loads on its own account (brotli, where it is
# installed) is its affair.
_LOADED_BESIDES = """
import sys
import httpx
before = set(sys.modules)
import devora_ops.client
added = set(sys.modules) - before
print(sorted({name.partition(".")[0] for name in added} - sys.stdlib_module_names))
print(sorted({".".join(name.split(".")[:2]) for name in added if "devora" in name}))
print("django" in sys.modules)
"""


def test_all_is_sorted_and_names_every_public_import():
    public = {
        name
        for name, value in vars(client).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert client.__all__ == sorted(client.__all__)
    assert set(client.__all__) == public


def test_every_public_item_is_documented():
    undocumented = [
        name for name in client.__all__ if not getattr(client, name).__doc__
    ]
    assert undocumented == []


def test_importing_it_loads_httpx_and_the_standard_library_alone():
    found = subprocess.run(
        [sys.executable, "-c", _LOADED_BESIDES],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == [
        "['devora_ops']",
        "['devora_ops', 'devora_ops.client']",
        "False",
    ]


def test_the_awaited_twins_take_the_same_arguments():
    for plain, awaited in (
        (Client, AsyncClient),
        (EnhancedBaseAgent, AsyncEnhancedBaseAgent),
        (AnswerStream, AsyncAnswerStream),
    ):
        assert _arguments(plain) == _arguments(awaited)


def _arguments(cls: type) -> dict[str, list[tuple[str, object, object]]]:
    methods = {
        name.removeprefix("a") if name == "aclose" else name: method
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }
    return {
        name: [
            (argument.name, argument.kind, argument.default)
            for argument in inspect.signature(method).parameters.values()
        ]
        for name, method in methods.items()
    }
