"""axe-core on our pages: every theme, language and width."""

import pytest
from playwright.sync_api import expect

from devora_ops.dashboard.panels import PANELS

# Unfold's own, reported upstream: the list around a changelist's tools, and the size of
# its search button, which our style sheet already mends.
KNOWN = {"list", "listitem", "target-size"}
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


THEMES = ("light", "dark")


def problems(window):
    """Return what axe finds in both themes; the page is drawn once."""
    found = {}
    for theme in THEMES:
        window.page.evaluate(
            "theme => Alpine.$data(document.documentElement).switchTheme(theme)", theme
        )
        expect(window.page.locator("html")).to_have_class(theme)
        for one in window.axe():
            nodes = [node["html"][:200] for node in one["nodes"]]
            found[one["id"], theme] = nodes
    return found


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("size", SIZES)
def test_the_overview_has_no_violation(visit, caller, language, size):
    window = visit(language=language, viewport=SIZES[size])
    window.open(f"/?agent={caller.agent}")
    settled = window.page.locator(".panel-body:not([aria-busy])")
    expect(settled).to_have_count(len(PANELS))
    assert window.page.locator("html").get_attribute("lang") == language
    assert problems(window) == {}


@pytest.mark.parametrize("size", SIZES)
def test_an_explained_bill_has_no_violation_and_fits(visit, caller, size):
    window = visit(viewport=SIZES[size])
    window.open(f"/costs/explain/?agent={caller.agent}")
    expect(window.page.locator(".waterfall tbody tr")).to_have_count(12)
    assert problems(window) == {}
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width == SIZES[size]["width"]
    assert window.complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_a_what_if_has_no_violation_and_fits(visit, caller, size):
    window = visit(viewport=SIZES[size])
    for question in ("prices", "routes", "cache&ttl_s=3600"):
        window.open(f"/costs/what-if/?view={question}&agent={caller.agent}")
        assert problems(window) == {}
        width = window.page.evaluate("document.documentElement.scrollWidth")
        assert width == SIZES[size]["width"]
    expect(window.page.locator(".compared tbody tr")).not_to_have_count(0)
    assert window.complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_a_checked_invoice_has_no_violation_and_fits(visit, tmp_path, size):
    invoice = tmp_path / "invoice.csv"
    invoice.write_text("date,model,amount_usd\n2026-03-01,gpt-9,4\n")
    window = visit(viewport=SIZES[size])
    window.open("/costs/invoices/")
    window.page.locator("input[type=file]").set_input_files(invoice)
    window.page.get_by_role("button", name="Compare", exact=True).click()
    expect(window.page.locator(".reviewed tbody tr")).to_have_count(1)
    assert problems(window) == {}
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width == SIZES[size]["width"]
    assert window.complaints == []


def test_open_menus_and_the_help_have_no_violation(visit, caller):
    window = visit()
    window.open(f"/?agent={caller.agent}")
    expect(window.page.locator(".plot.is-drawn")).to_have_count(2)
    window.page.locator("#panel-cost .chart-menu summary").click()
    assert problems(window) == {}
    # The models: a list of every test's team would half cover what is below it.
    window.page.locator(".filter-menu summary").last.click()
    expect(window.page.locator(".facet input")).not_to_have_count(0)
    assert problems(window) == {}
    window.page.keyboard.press("Escape")
    window.page.keyboard.press("?")
    assert problems(window) == {}


@pytest.mark.parametrize(
    "path",
    [
        "costs/call/",
        "costs/budget/",
        "costs/budget/add/",
        "costs/hold/",
        "costs/price/reprice/",
        "llm/provider/",
        "ops/user/",
    ],
)
def test_admin_pages_have_none_but_the_frames_known_ones(visit, caller, path):
    window = visit(role="Owner")
    window.open(f"/admin/{path}")
    found = problems(window)
    assert {rule for rule, _theme in found} <= KNOWN, found


def test_the_login_has_no_violation(visit):
    window = visit()
    window.page.context.clear_cookies()
    window.open("/admin/login/")
    assert problems(window) == {}
