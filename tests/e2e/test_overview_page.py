"""The Overview in a browser: quiet, self-sufficient, and in step with its address."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import call

FIRST_ROW = "#feed tbody tr:first-child"
DRAWN = ".plot.is-drawn"


def test_nothing_leaves_the_house_and_nothing_complains(visit, caller):
    window = visit()
    window.open(f"/?agent={caller.agent}")
    expect(window.page.locator(DRAWN)).to_have_count(2)
    expect(window.page.locator("#live-state")).to_have_attribute("data-state", "live")
    assert window.foreign == []
    assert window.complaints == []


def test_no_chart_offers_to_be_uploaded(visit, caller):
    window = visit()
    window.open(f"/?agent={caller.agent}")
    expect(window.page.locator(DRAWN)).to_have_count(2)
    settings = window.page.evaluate(
        "[...document.querySelectorAll('.plot')].map(plot => plot._context)"
        ".map(c => [c.showSendToCloud, c.plotlyServerURL, c.displayModeBar])"
    )
    assert settings == [[False, "", False]] * 2
    assert window.page.locator(".modebar-btn").count() == 0


def test_filters_go_to_the_address_and_come_back_from_it(visit, caller):
    window = visit()
    page = window.page
    window.open("/")
    page.locator("#ranges input[value='24h'] + span").click()
    page.wait_for_url("**/?range=24h")
    page.locator(".filter-menu summary", has_text="Agent").click()
    page.locator(f".facet input[value={caller.agent}]").check()
    page.locator(".filter-menu[open] button").click()
    page.wait_for_url(f"**/?range=24h&agent={caller.agent}")
    expect(page.locator("[data-tile=calls] .tile-value")).to_have_text("1")
    page.reload()
    expect(page.locator("#ranges input:checked")).to_have_value("24h")
    expect(page.locator(".chip").first).to_contain_text(caller.agent)
    page.go_back()
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#ranges input:checked")).to_have_value("24h")
    assert window.complaints == []


def test_splitting_a_chart_goes_to_the_address_too(visit, caller):
    window = visit()
    page = window.page
    window.open(f"/?agent={caller.agent}")
    page.locator("#panel-cost a", has_text="Agent").click()
    page.wait_for_url(f"**/?by=agent&agent={caller.agent}")
    expect(page.locator("#panel-cost .legend-name")).to_have_text(caller.agent)
    page.locator("#ranges input[value='24h'] + span").click()
    page.wait_for_url("**by=agent**")
    expect(page.locator("#panel-cost .legend-name")).to_have_text(caller.agent)


def test_the_theme_changes_the_charts_without_another_request(visit, caller):
    window = visit(color_scheme="light")
    page = window.page
    window.open(f"/?agent={caller.agent}")
    expect(page.locator(DRAWN)).to_have_count(2)
    colour = "document.querySelector('#panel-cost .plot')._fullData[0].marker.color"
    light = page.evaluate(colour)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.keyboard.press("Control+e")  # from "as the system", to light
    page.keyboard.press("Control+e")
    expect(page.locator("html")).to_have_class("dark")
    page.wait_for_function(f"before => {colour} !== before", arg=light)
    assert not [url for url in requests if "/overview/" in url]


def test_a_legend_isolates_a_series_and_the_table_is_at_hand(visit, caller):
    window = visit()
    page = window.page
    window.open(f"/?agent={caller.agent}")
    expect(page.locator(DRAWN)).to_have_count(2)
    p95 = page.locator("#panel-latency .legend-name", has_text="p95")
    p95.click()
    expect(p95).to_have_attribute("aria-pressed", "true")
    shown = (
        "document.querySelector('#panel-latency .plot')._fullData.map(t => t.visible)"
    )
    page.wait_for_function(f"{shown}.filter(v => v === true).length === 2")
    page.locator("#panel-latency .chart-menu summary").click()
    page.locator("#panel-latency [data-action=table]").click()
    expect(page.locator("#panel-latency .as-table table")).to_be_visible()


def test_the_keyboard_reaches_everything(visit, caller):
    window = visit()
    page = window.page
    window.open("/")
    page.keyboard.press("?")
    expect(page.locator("#keyboard-help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("#ranges input:checked")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/admin/costs/call/")


def test_the_keyboards_single_keys_can_be_switched_off(visit, caller):
    window = visit()
    page = window.page
    window.open("/")
    page.keyboard.press("?")
    page.locator("#keyboard-on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("#ranges input:checked")).not_to_be_focused()


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_nothing_scrolls_sideways(visit, caller, width):
    window = visit(viewport={"width": width, "height": 800})
    window.open(f"/?agent={caller.agent}")
    expect(window.page.locator("#panel-standing h3")).to_have_count(2)
    root = "document.documentElement"
    assert window.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


@pytest.mark.parametrize(
    "form", ["llm/apikey", "llm/agent", "llm/route", "llm/provider", "costs/price"]
)
def test_no_form_scrolls_sideways_on_a_phone(visit, form):
    window = visit(role="Owner", viewport={"width": 390, "height": 800})
    window.open(f"/admin/{form}/add/")
    expect(window.page.locator(".form-rows").first).to_be_visible()
    root = "document.documentElement"
    assert window.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def test_the_longest_names_scroll_nothing_sideways(visit, installation):
    caller = installation.caller(name="a" * 64, team="t" * 64)
    call(installation, caller)
    installation.calls(caller)
    window = visit(viewport={"width": 320, "height": 800})
    window.open(f"/?agent={caller.agent}&team={caller.team}")
    expect(window.page.locator("#panel-standing h3")).to_have_count(2)
    root = "document.documentElement"
    assert window.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")


def test_the_frames_own_controls_work_by_keyboard(visit, caller):
    window = visit()
    page = window.page
    window.open("/")
    launcher = page.get_by_role("button", name="Search apps and models")
    launcher.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.press("Escape")
    account = page.get_by_role("button", name="Account")
    expect(account).to_have_attribute("aria-expanded", "false")
    account.focus()
    page.keyboard.press("Enter")
    expect(account).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("button", name="Light")).to_be_focused()
    page.keyboard.press("Escape")
    expect(account).to_be_focused()
    expect(account).to_have_attribute("aria-expanded", "false")
    sidebar = page.get_by_role("button", name="Show or hide the sidebar")
    sidebar.focus()
    page.keyboard.press(" ")
    expect(page.locator("#nav-sidebar-inner")).not_to_be_in_viewport()
