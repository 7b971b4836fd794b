"""A model of one's own, from the page: one structure in, a model out, and more like what was found."""

from __future__ import annotations

from pathlib import Path

from ase.build import bulk
from browser.conftest import Visiting, find_serious_faults
from playwright.sync_api import expect

from rm_engine.files import write_structure


def test_from_one_structure_to_what_its_model_finds(visit: Visiting, service_url: str, tmp_path: Path) -> None:
    cif = tmp_path / "diamond.cif"
    cif.write_text(write_structure(bulk("C", "diamond", a=3.567), "cif"))
    page = visit(service_url).open("?view=models")
    form = page.get_by_role("form", name="A model of your own")
    form.get_by_role("button", name="Train").click()
    expect(form.locator("#error-name")).to_be_visible()
    form.get_by_label("Its name").fill("my-carbon")
    form.get_by_role("button", name="Train").click()
    expect(form.locator("#error-structures")).to_contain_text("no structure to learn from")
    form.get_by_label("Structures at rest").set_input_files(cif)
    form.get_by_text("More", exact=True).click()
    form.get_by_label("Epochs").fill("2")
    form.get_by_role("button", name="Train").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("my-carbon")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    expect(page.get_by_text("2 of 2 epochs")).to_be_visible()
    expect(page.get_by_role("application", name="Force error against epoch")).to_be_visible()
    expect(page.locator(".plot .nothing")).to_be_hidden()
    assert not find_serious_faults(page)
    page.get_by_role("link", name="Find structures with it").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value("my-carbon")
    page.get_by_label("Formula or chemical system").fill("C")
    page.get_by_label("How many").fill("3")
    page.get_by_role("button", name="Find structures").click()
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    rows = page.locator(".structures tbody tr:not(.space, .waiting)")
    expect(rows).to_have_count(3)
    for k in range(2):
        rows.nth(k).get_by_role("checkbox").check()
    page.get_by_role("link", name="More like these 2").click()
    expect(form).to_contain_text("From 2 chosen structures")
    assert not find_serious_faults(page)
    form.get_by_label("Its name").fill("my-carbon")
    form.get_by_label("Begin with").select_option("my-carbon")
    form.get_by_role("button", name="Train").click()
    expect(form.locator("#error-name")).to_contain_text("There is a model 'my-carbon' already")
    form.get_by_label("Its name").fill("more-carbon")
    form.get_by_text("More", exact=True).click()
    form.get_by_label("Epochs").fill("1")
    form.get_by_role("button", name="Train").click()
    expect(page.locator(".job-head")).to_contain_text("trained from 2 structures and my-carbon")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    page.get_by_role("link", name="Look at the model").click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download").click()
    assert coming.value.suggested_filename == "more-carbon.safetensors"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("navigation", name="Models").get_by_text("more-carbon")).to_have_count(0)
