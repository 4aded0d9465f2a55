"""What providers bill for a usage, worked out by hand, is what we say it costs."""

import json
import re
from decimal import Context, Decimal, localcontext
from math import prod
from pathlib import Path
from typing import Any, Final

import pytest

from tests.price_usage import run, written

_FOLDER = Path(__file__).parent / "golden"
_OF_THE_CASE = ("usd", "why", "trap")
_FACTOR = re.compile(r"\$?(?P<amount>[0-9,]+(?:\.[0-9]+)?)(?P<per>/M|/K|)")
_PER: Final = {"": 1, "/K": 1_000, "/M": 1_000_000}
# No sum here has as many digits: nothing is rounded.
_EXACT = Context(prec=100)


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines()
    return [json.loads(line, parse_float=Decimal) for line in lines]


CASES = [case for path in sorted(_FOLDER.glob("*.jsonl")) for case in read(path)]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])


def factor(text: str) -> Decimal:
    """Read `1,000`, `$2.50/M` (for a million), `$10.00/K` or `$19`."""
    found = _FACTOR.fullmatch(text)
    assert found, text
    return Decimal(found["amount"].replace(",", "")) / _PER[found["per"]]


def worth(why: str) -> Decimal:
    """Work out `19 × $2.50/M + 2 × $10.00/K`."""
    with localcontext(_EXACT):
        terms = (map(factor, term.split(" × ")) for term in why.split(" + "))
        return sum((prod(term, start=Decimal(1)) for term in terms), Decimal(0))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Price all cases in one process."""
    rows = [
        {name: value for name, value in case.items() if name not in _OF_THE_CASE}
        for case in CASES
    ]
    lines = "".join(f"{written(row)}\n" for row in rows)
    ran = run(lines, tmp_path_factory.mktemp("data"))
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [answer["id"] for answer in found] == [case["id"] for case in CASES]
    return {answer["id"]: answer["usd"] for answer in found}


@EACH
def test_an_invoice_adds_up(case: dict[str, Any]):
    assert worth(case["why"]) == Decimal(case["usd"])


@EACH
def test_a_usage_costs_what_its_provider_bills(
    case: dict[str, Any], answers: dict[str, str | None]
):
    told = answers[case["id"]]
    assert told is not None
    assert Decimal(told) == Decimal(case["usd"]), f"{case['trap']}: {case['why']}"


def test_every_api_has_its_invoices():
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert {case["api"] for case in CASES} == {
        "anthropic.messages",
        "openai.chat",
        "openai.embeddings",
        "openai.responses",
        "openrouter.chat",
    }
