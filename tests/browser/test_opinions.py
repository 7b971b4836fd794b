"""A second opinion, from the page: rows are ticked, CHGNet relaxes them, and its hull stands beside the model's."""

from __future__ import annotations

from browser.conftest import Visiting, find_serious_faults
from browser.test_journey import ask
from playwright.sync_api import expect


def test_structures_are_judged_by_another_potential(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open()
    ask(page, "Li2S", 6, model="mp20-plus", seed="1", formula_units="1")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    rows = page.locator(".structures tbody tr:not(.space, .waiting)")
    expect(rows).to_have_count(6)
    for k in range(2):
        rows.nth(k).get_by_role("checkbox").check()
    page.get_by_role("button", name="Second opinion on 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second opinion, Li-S")
    expect(page.locator(".job-head")).to_contain_text("CHGNet on 2 structures of mp20-plus")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=240_000)
    expect(page.get_by_text("2 of 2 structures")).to_be_visible()
    expect(rows).to_have_count(2)
    expect(page.get_by_text("Hull of Li–S by CHGNet")).to_be_visible()
    assert not find_serious_faults(page)
    rows.first.get_by_role("link").click()
    panel = page.get_by_role("complementary", name="Structure")
    expect(panel.locator("dl")).to_contain_text("CHGNet 0.3.0")
    expect(panel.locator("dl")).to_contain_text("same structure")
    page.get_by_role("link", name="All of Li-S").click()
    expect(page.get_by_text("Hull of Li–S by CHGNet")).to_be_visible()
