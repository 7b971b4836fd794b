"""Keyboard, screen reader, keys, and a service that goes away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import Visiting, find_serious_faults
from keyed import SECRET, make_key
from playwright.sync_api import Page, expect
from servers import HOST, free_port

from service.domain import Scope
from service.settings import Settings
from service.store import Store

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def tab_to(page: Page, selector: str, most: int = 40) -> None:
    """Go on with the tab key until an element has the focus."""
    for _ in range(most):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by the tab key")


def test_all_of_it_by_keyboard(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open()
    page.keyboard.press("Tab")
    tab_to(page, "#composition")
    page.keyboard.type("C")
    tab_to(page, "#n")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    tab_to(page, "#model")
    page.keyboard.type("dia")
    page.keyboard.press("Enter")
    tab_to(page, ".primary")
    page.keyboard.press("Enter")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    expect(page.get_by_text("3 of 3 structures")).to_be_visible()
    expect(page.locator(".structures tbody tr:not(.space)")).to_have_count(3)
    tab_to(page, ".structures tbody a")
    page.keyboard.press("ArrowDown")
    first = page.evaluate("document.activeElement.dataset.id")
    page.keyboard.press("Enter")
    panel = page.locator(".panel")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    expect(panel.get_by_role("link", name="CIF")).to_be_visible()
    tab_to(page, ".downloads a")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.id") == first
    canvas = page.locator(".plot canvas").last
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing_serious(visit: Visiting, service_url: str, finished_job: str, look: str) -> None:
    options: dict[str, Any] = PHONE if look == "phone" else {"color_scheme": look}
    each = visit(service_url, **options)
    found = {}
    for address in (
        "",
        f"?job={finished_job}",
        f"?job={finished_job}&structure={finished_job}-00000",
        "?view=structures&model=diamond",
        "?view=structures&energy_above_hull_max=deep&elements=C",
        "?view=models",
        "?job=none",
    ):
        page = each.open(address)
        expect(page.locator(".notice.loading, .waiting")).to_have_count(0)
        if not address:
            page.get_by_role("button", name="Find structures").click()  # with an error
            page.locator("summary").click()
        if worst := find_serious_faults(page):
            found[address] = worst
        width, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= window, f"{address} is wider than the window"
    assert not found


def test_what_the_structure_covers_on_a_phone_is_not_reached(
    visit: Visiting, service_url: str, finished_job: str
) -> None:
    page = visit(service_url, **PHONE).open(f"?job={finished_job}")
    link = page.locator(".structures tbody a").first
    link.press("Enter")
    expect(page.locator(".panel h2")).to_be_focused()
    behind = page.locator(".results-main")
    expect(behind).to_have_js_property("inert", True)
    page.keyboard.press("Escape")
    expect(behind).to_have_js_property("inert", False)
    expect(link).to_be_focused()


def test_the_theme_is_kept(visit: Visiting, service_url: str) -> None:
    page = visit(service_url, color_scheme="light").open()
    ground = "getComputedStyle(document.body.parentNode).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark theme").click()
    dark = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == dark


def test_a_key_is_asked_for_and_kept_in_the_tab_only(visit: Visiting, api: Callable[..., Any], tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with closing(Store(settings.resolved_database_url)) as store:
        store.migrate()
        reader, full = make_key(store, "a", Scope.READ), make_key(store, "a")
    port = free_port()
    with api(port, keys="on", key_secret=SECRET):
        each = visit(f"http://{HOST}:{port}")
        addresses: list[str] = []
        each.page.on("request", lambda request: addresses.append(request.url))
        page = each.open("?view=models")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Not now").click()
        expect(page.get_by_role("alert").filter(has_text="could not be listed")).to_be_visible()
        expect(page.get_by_role("button", name="Key", exact=True)).to_be_visible()
        page.get_by_role("button", name="Try again").click()
        expect(dialog.get_by_label("Key")).to_be_focused()
        dialog.get_by_label("Key").fill(reader[:-1])
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("a letter is wrong")).to_be_visible()
        dialog.get_by_label("Key").fill(reader)
        page.keyboard.press("Enter")
        expect(page.locator(".elements")).to_be_visible()
        assert page.evaluate("[localStorage.length, Object.values(sessionStorage)]") == [0, [reader]]
        page.get_by_role("link", name="Ask").click()
        page.get_by_label("Formula or chemical system").fill("C")
        page.get_by_role("button", name="Find structures").click()
        expect(page.get_by_role("alert").filter(has_text="write")).to_be_visible()
        page.get_by_role("button", name="Key", exact=True).click()
        page.get_by_label("Key", exact=True).last.fill(full)
        with page.expect_event("load"):  # the page loads again with the other key
            page.keyboard.press("Enter")
        page.get_by_label("Formula or chemical system").fill("C")
        page.get_by_role("button", name="Find structures").click()
        expect(page.locator(".job-head .state")).to_have_text("queued")
        assert not [address for address in addresses if reader in address or full in address]


def test_a_service_that_goes_away_is_waited_for(visit: Visiting, api: Callable[..., Any]) -> None:
    port = free_port()
    each = visit(f"http://{HOST}:{port}")
    with api(port):
        page = each.open()
        expect(page.get_by_text("None yet.")).to_be_visible()
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Structures").click()
    expect(page.locator("#connection")).to_be_visible()
    with api(port):
        expect(page.locator("#connection")).to_be_hidden()
        page.get_by_role("link", name="Models").click()
        expect(page.locator(".elements")).to_be_visible()
