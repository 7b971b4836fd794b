"""From a formula to a file, as a user goes."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import ase.io
from browser.conftest import Visiting
from playwright.sync_api import Page, expect
from servers import wait_until

READ_PIXELS = """canvas => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const colours = new Set();
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  for (let k = 0; k < data.length; k += 4) if (data[k + 3]) colours.add(data[k] << 16 | data[k + 1] << 8 | data[k + 2]);
  return colours.size;
}"""


def state_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def ask(page: Page, composition: str, n: int, model: str = "diamond", **advanced: str) -> None:
    page.get_by_label("Formula or chemical system").fill(composition)
    page.get_by_label("How many").fill(str(n))
    page.get_by_label("Model", exact=True).select_option(model)
    if advanced:
        page.get_by_text("More", exact=True).click()
    for name, value in advanced.items():
        page.locator(f"#{name}").fill(value)
    page.get_by_role("button", name="Find structures").click()


def test_from_the_form_to_a_file_that_ase_reads(visit: Visiting, service_url: str, tmp_path: Path) -> None:
    page = visit(service_url, accept_downloads=True).open()
    ask(page, "C", 6, seed="7", formula_units="2")
    expect(page.locator(".job-head .state")).to_have_text("succeeded", timeout=120_000)
    expect(page.get_by_text("6 of 6 structures")).to_be_visible()
    expect(page.locator(".structures tbody tr:not(.space)")).to_have_count(6)
    page.locator(".structures tbody a").first.click()
    panel = page.get_by_role("complementary", name="Structure")
    expect(panel.get_by_role("heading", level=2)).to_have_text("C2")
    expect(panel.locator("dl")).to_contain_text("per atom, no unit")
    stage = panel.locator(".stage canvas").element_handle()
    wait_until(lambda: page.evaluate(READ_PIXELS, stage) > 20, "the structure is drawn")
    assert page.evaluate(READ_PIXELS, page.locator(".plot canvas").first.element_handle()) > 3
    with page.expect_download() as coming:
        panel.get_by_role("link", name="CIF").click()
    saved = tmp_path / coming.value.suggested_filename
    coming.value.save_as(saved)
    assert saved.name == f"{state_of(page)['structure']}.cif"
    assert ase.io.read(saved).get_chemical_formula() == "C2"
    for name, form in (("POSCAR", "vasp"), ("extXYZ", "extxyz")):
        with page.expect_download() as coming:
            panel.get_by_role("link", name=name).click()
        atoms = ase.io.read(StringIO(Path(coming.value.path()).read_text()), format=form)
        assert atoms.get_chemical_formula() == "C2"
        assert atoms.pbc.all()


def test_a_link_shows_the_same(visit: Visiting, service_url: str, finished_job: str) -> None:
    page = visit(service_url).open("?view=structures")
    page.get_by_label("Model").select_option("diamond")
    page.get_by_label("System or formula").fill("C")
    page.get_by_role("radio", name="Distinct").check(force=True)
    page.get_by_role("button", name="Above hull").click()
    page.get_by_role("button", name="Above hull").click()
    rows = page.locator(".structures tbody tr:not(.space, .waiting)")
    expect(page.locator("[aria-sort=descending]")).to_contain_text("Above hull")
    rows.nth(1).locator("a").click()
    expect(page.locator("tr.selected")).to_have_count(1)
    wanted = {"composition": "C", "model": "diamond", "kind": "distinct", "sort": "-energy_above_hull"}
    assert state_of(page).items() >= {"view": "structures", **wanted}.items()
    texts = rows.all_inner_texts()
    other = visit(service_url).open(f"?{urlsplit(page.url).query}")
    expect(other.locator("tr.selected")).to_have_count(1)
    assert other.locator(".structures tbody tr:not(.space, .waiting)").all_inner_texts() == texts
    expect(other.locator(".panel code").first).to_have_text(state_of(page)["structure"])
    expect(other.get_by_role("radio", name="Distinct")).to_be_checked()
    page.go_back()
    expect(page.locator(".panel")).to_be_hidden()


def test_errors_stand_beside_their_fields(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open()
    for composition, n, field, words in (
        ("LiXx2", 3, "composition", "'Xx'"),
        ("LiS2", 3, "composition", "diamond"),
        ("C", 0, "n", "larger"),
        ("", 3, "composition", "no formula"),
    ):
        ask(page, composition, n)
        error = page.locator(f"#error-{field}")
        expect(error).to_contain_text(words)
        expect(page.locator(f"#{field}")).to_be_focused()
        assert page.locator(f"#{field}").get_attribute("aria-invalid") == "true"
        assert f"error-{field}" in str(page.locator(f"#{field}").get_attribute("aria-describedby"))
        page.locator(f"#{field}").fill("1")
        expect(error).to_be_hidden()
    ask(page, "C", 3, fmax="x")
    expect(page.locator("#error-fmax")).to_be_visible()
    assert state_of(page) == {}


def test_the_model_says_what_it_does_not_know_while_one_types(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open()
    page.get_by_label("Model", exact=True).select_option("diamond")
    page.get_by_label("Formula or chemical system").fill("CLi")
    expect(page.locator("#hint-model")).to_have_text("diamond does not know Li.")


def test_a_job_is_cancelled_and_run_again(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open()
    ask(page, "C8", 10_000, seed="3")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-head .state")).to_have_text("cancelled")
    first = state_of(page)["job"]
    page.get_by_role("button", name="Again").click()
    page.wait_for_url(lambda url: "job=" in url and first not in url)
    expect(page.locator(".job-head .sub").first).not_to_contain_text("seed 3 ")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-head .state")).to_have_text("cancelled")


def test_energies_arrive_as_points(visit: Visiting, service_url: str) -> None:
    """While the job runs: the counter of the events goes up, and the figure gets more marks than it had."""
    page = visit(service_url).open()
    ask(page, "C4", 3000)
    expect(page.locator(".counts")).to_have_text(re.compile("^[1-9]"), timeout=120_000)
    canvas = page.locator(".plot canvas").last
    canvas.focus()

    def walk() -> bool:
        canvas.press("ArrowRight")
        return "Å³/atom" in str(page.locator("#announcer").text_content())

    wait_until(walk, "a point is announced, between the structures that are found meanwhile")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-head .state")).to_have_text("cancelled")


def test_the_element_map_is_that_of_the_model(visit: Visiting, service_url: str) -> None:
    page = visit(service_url).open("?view=models&model=diamond")
    expect(page.locator(".elements .known")).to_have_text("6C")
    page.get_by_role("link", name="mp20-plus").click()
    expect(page.locator(".elements .known")).to_have_count(88)
    assert page.locator(".elements li").count() == 118
    places = page.locator(".elements li").evaluate_all("all => all.map(li => `${li.offsetLeft},${li.offsetTop}`)")
    assert len(set(places)) == 118
