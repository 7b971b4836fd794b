"""Ten thousand points and a hundred thousand rows: what is done for each is not done for all.

Work is counted, or compared with that for few, within one run: no clock decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser.conftest import Visiting
from playwright.sync_api import Page, expect
from processes import run_answering
from servers import HOST, PostgresServer, free_port, wait_until

from benchmarks.population import Campaign, fill

MANY, FEW = {"Li": 2, "S": 1}, {"Na": 2, "S": 1}


@pytest.fixture(scope="module")
def full_url(chromium: str, postgres_server: PostgresServer) -> Iterator[str]:
    """A service with 100,000 structures of one chemical system, and 100 of another."""
    campaigns = [Campaign(MANY, "mp20-plus", 10_000) for _ in range(10)] + [Campaign(FEW, "mp20-plus", 100)]
    with postgres_server.new_database() as url:
        fill(url, campaigns)
        port = free_port()
        settings = {"RMATCH_DATABASE_URL": url, "RMATCH_BROKER_URL": "memory://", "RMATCH_KEYS": "off"}
        with run_answering("api", port, settings):
            yield f"http://{HOST}:{port}"


def work_of(page: Page, act: Callable[[], object]) -> float:
    """CPU time of the page's scripts, styles and layout while something is done."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")

    def read() -> float:
        metrics: dict[str, Any] = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    before = read()
    act()
    after = read()
    session.detach()
    return after - before


def hover(page: Page) -> None:
    box = page.locator(".plot canvas").last.bounding_box()
    assert box is not None
    for k in range(60):
        page.mouse.move(box["x"] + 70 + k * (box["width"] - 90) / 60, box["y"] + 40 + (k * 37) % (box["height"] - 90))


def scroll(page: Page) -> None:
    scroller = page.locator(".scroller")
    for _ in range(20):
        scroller.evaluate("element => { element.scrollTop += 900; return new Promise(requestAnimationFrame); }")


def open_system(visit: Visiting, url: str, system: str) -> Page:
    page: Page = visit(url).open(f"?view=structures&model=mp20-plus&chemsys={system}")
    expect(page.locator(".structures tbody a").first).to_be_visible()
    expect(page.locator("figure .notice, .plot .nothing:visible")).to_have_count(0)
    page.evaluate("() => new Promise((resolve) => requestIdleCallback(resolve))")
    return page


def count_loaded(page: Page) -> int:
    """Rows that the page says it has; 0 while more are on their way."""
    read = "element => element.textContent.includes('structures') ? Number(element.textContent.replace(/\\D/g, '')) : 0"
    return int(page.locator(".count").evaluate(read))


def load(page: Page, n_rows: int) -> None:
    """Go to the end of what is loaded, and wait until there is more, as often as it takes to have so many rows."""
    while (n_before := count_loaded(page)) < n_rows:
        page.locator(".scroller").evaluate("element => { element.scrollTop = element.scrollHeight; }")
        wait_until(lambda n_before=n_before: count_loaded(page) > n_before, f"there are more than {n_before} rows")
        assert page.locator(".structures tbody tr").count() < 80
    page.locator(".scroller").evaluate("element => { element.scrollTop = 0; }")


def test_ten_thousand_points_are_pointed_at_as_fast_as_a_hundred(visit: Visiting, full_url: str) -> None:
    few, many = open_system(visit, full_url, "Na-S"), open_system(visit, full_url, "Li-S")
    expect(many.locator(".figures.partial")).to_have_count(1)
    work = {page: min(work_of(page, lambda page=page: hover(page)) for _ in range(3)) for page in (few, many)}
    assert work[many] < 4 * work[few], work


def test_of_a_hundred_thousand_rows_those_in_view_are_drawn(visit: Visiting, full_url: str) -> None:
    page = open_system(visit, full_url, "Li-S")
    load(page, 1000)  # more than a scroll passes, so that none is loaded on the way
    early = work_of(page, lambda: scroll(page))
    load(page, 4000)
    expect(page.locator(".count")).to_contain_text("more as you scroll")
    late = work_of(page, lambda: scroll(page))
    assert late < 3 * early, "a scroll costs the same however many rows there are"
    page.keyboard.press("Escape")
    page.locator(".structures tbody a").nth(20).click()
    expect(page.locator("tr.selected")).to_have_count(1)
