"""Live updates in a browser: a call appears, a lost socket heals, nothing jumps."""

from decimal import Decimal

from playwright.sync_api import expect

from tests.e2e.conftest import call

ROWS = "#feed tbody tr"


def test_a_call_appears_without_a_reload(visit, installation, caller):
    window = visit()
    page = window.page
    window.open(f"/?agent={caller.agent}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("[data-tile=calls] .tile-value")).to_have_text("1")
    page.evaluate("window.stayed = true")
    call(installation, caller)
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.locator("[data-tile=calls] .tile-value")).to_have_text("2")
    newest = installation.calls(caller, count=2)[-1]
    row = page.locator(f"{ROWS}[data-id='{newest['id']}']")
    expect(row).to_contain_text(newest["model"])
    shown = row.locator("[data-cell=cost]").inner_text()
    cost = Decimal(newest["cost_usd"])
    assert Decimal(shown.removeprefix("$")) == round(cost, 3 - cost.adjusted())
    assert page.evaluate("window.stayed")
    # What the socket told and what the database holds look the same.
    told = row.inner_text()
    page.reload()
    expect(row).to_have_text(told, use_inner_text=True)


def test_a_call_of_others_stays_away(visit, installation, caller):
    window = visit()
    window.open(f"/?agent={caller.agent}")
    expect(window.page.locator("#live-state")).to_have_attribute("data-state", "live")
    call(installation, installation.caller())
    call(installation, caller)
    expect(window.page.locator(ROWS)).to_have_count(2)


def test_rows_wait_while_somebody_points_at_them(visit, installation, caller):
    window = visit()
    page = window.page
    window.open(f"/?agent={caller.agent}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    page.locator(ROWS).first.hover()
    call(installation, caller)
    expect(page.locator("#feed-new")).to_have_text("1 new call ↑")
    assert page.locator(ROWS).count() == 1
    # The pointer stays where it is: once it leaves the rows, the button may be gone.
    page.locator("#feed-new").press("Enter")
    expect(page.locator(ROWS)).to_have_count(2)


def test_pausing_keeps_the_page_still(visit, installation, caller):
    window = visit()
    page = window.page
    window.open(f"/?agent={caller.agent}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    page.keyboard.press("l")
    expect(page.locator("#live-state")).to_contain_text("Paused")
    call(installation, caller)
    expect(page.locator("#feed-new")).to_be_visible()
    assert page.locator(ROWS).count() == 1
    page.keyboard.press("l")
    expect(page.locator(ROWS)).to_have_count(2)


def test_a_lost_socket_comes_back_and_the_gap_is_filled(visit, installation, caller):
    window = visit()
    page = window.page
    sockets = []

    def between(socket):
        sockets.append(socket)
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(socket.send)

    page.route_web_socket("**/ws/live/**", between)
    window.open(f"/?agent={caller.agent}")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    sockets[0].close(code=1001)
    expect(page.locator("#live-state")).to_have_attribute("data-state", "reconnecting")
    call(installation, caller)
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    expect(page.locator(ROWS)).to_have_count(2)
    assert len(sockets) == 2


def test_the_first_call_turns_the_checklist_into_charts(visit, installation, caller):
    """Other tests have called already, so the page is told that it is the first time."""
    window = visit()
    page = window.page
    window.open("/")
    page.evaluate("document.getElementById('overview').dataset.firstRun = ''")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    with page.expect_navigation():
        call(installation, caller)
