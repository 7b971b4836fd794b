"""What is shown of jobs in every state, and where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.conftest import Visiting, run_answering
from databases import CUBE, claim_next, lis2, run_job
from playwright.sync_api import Page, expect
from servers import HOST, free_port, wait_until

from service.domain import Match, Reference
from service.jobs import add_references, fail_chunk, submit_job
from service.settings import Settings
from service.store import Store

MODEL = "mp20-plus"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(scope="module")
def jobs(folder: Path) -> dict[str, str]:
    """Ids of jobs by what became of them; the finished one has a known, a new and a duplicate structure."""
    with closing(Store(Settings(data_dir=folder).resolved_database_url)) as store:
        store.migrate()
        (known,) = add_references(store, [Reference(name="known", atoms=CUBE)])
        matches = {0: [Match(reference_id=known, rms=0.02)]}
        found = run_job(store, lis2(3, model=MODEL), [-3.0, -2.0, -1.0], matches=matches, duplicates={2: 1})
        failed = submit_job(store, lis2(1, model=MODEL))
        assert fail_chunk(store, claim_next(store), "no model file")
        return {"found": found, "failed": failed, "queued": submit_job(store, lis2(1, model=MODEL))}


@pytest.fixture(scope="module")
def url(chromium: str, folder: Path, jobs: dict[str, str]) -> Iterator[str]:
    """A service that has these jobs, and no worker."""
    port = free_port()
    with run_answering("api", port, {"RMATCH_DATA_DIR": str(folder)}):
        yield f"http://{HOST}:{port}"


def formulas(page: Page) -> Any:
    return page.locator(".structures tbody a")


def test_a_job_is_narrowed_to_a_kind_in_figures_and_table(visit: Visiting, url: str, jobs: dict[str, str]) -> None:
    each = visit(url)
    page = each.open(f"?job={jobs['found']}")
    expect(formulas(page)).to_have_count(3)
    for name, n in (("Known", 1), ("New", 1), ("Duplicate", 1), ("Distinct", 2), ("All", 3)):
        page.get_by_role("radio", name=name, exact=True).check(force=True)
        expect(formulas(page)).to_have_count(n)
        if n == 1:
            expect(page.locator(".structures .badge")).to_have_text(name)
            assert f"kind={name.lower()}" in page.url
            hull = page.get_by_label("Convex hull of Li, S")

            def walk(hull: Any = hull) -> str:
                hull.press("ArrowRight")
                return str(page.locator("#announcer").text_content())

            wait_until(lambda name=name, walk=walk: f"LiS2, {name.lower()}" in walk(), "a point of the kind is there")
            assert walk() == walk(), "and no other"
    page = each.open(f"?job={jobs['found']}&kind=new")
    expect(page.get_by_role("radio", name="New")).to_be_checked()
    expect(formulas(page)).to_have_count(1)


def test_the_whole_list_is_saved_as_it_is_narrowed(visit: Visiting, url: str, jobs: dict[str, str]) -> None:
    page = visit(url, accept_downloads=True).open(f"?job={jobs['found']}&kind=distinct&sort=-energy")
    expect(formulas(page)).to_have_count(2)
    shown = formulas(page).evaluate_all("all => all.map(link => link.dataset.id)")
    page.get_by_label("File").select_option("JSON lines")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Save all").click()
    assert coming.value.suggested_filename == "structures.jsonl"
    lines = Path(coming.value.path()).read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == shown


def test_errors_of_filters_stand_beside_their_fields(visit: Visiting, url: str) -> None:
    page = visit(url).open("?view=structures")
    expect(formulas(page)).to_have_count(3)
    page.get_by_text("More filters").click()
    for label, value, field, words in (
        ("System or formula", "LiXx", "composition", "'Xx'"),
        ("System or formula", "Li-Xx", "chemsys", "'Xx'"),
        ("Above hull, at most", "deep", "energy_above_hull_max", "number"),
        ("With the elements", "Li,Yy", "elements", "'Yy'"),
        ("Job", "mine", "job", "match"),
    ):
        page.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Enter")
        expect(page.locator(f"#error-{field}")).to_contain_text(words)
        assert page.get_by_label(label, exact=True).get_attribute("aria-invalid") == "true"
        expect(page.get_by_text("These filters are refused.")).to_be_visible()
        page.get_by_role("button", name="Clear").click()
        expect(page.locator(f"#error-{field}")).to_be_hidden()
        expect(formulas(page)).to_have_count(3)


def test_every_state_has_its_words(visit: Visiting, url: str, jobs: dict[str, str]) -> None:
    each = visit(url)
    for address, words in (
        ("", "no model file"),
        (f"?job={jobs['queued']}", "It waits for a worker."),
        (f"?job={jobs['failed']}", "The job failed."),
        (f"?job={jobs['failed']}", "no model file"),
        ("?job=none", "There is no such job."),
        ("?view=structures&chemsys=Na-Cl", "Nothing passes these filters."),
        ("?view=structures&model=mp20", "No structures of mp20 yet."),
        (f"?job={jobs['queued']}&kind=new", "None of this kind."),
        (f"?job={jobs['found']}&structure={jobs['found']}-00009", "This structure cannot be shown."),
    ):
        expect(each.open(address).get_by_text(words).first).to_be_visible()
    page = each.open("?view=structures&chemsys=Na-Cl")
    page.get_by_role("button", name="Clear filters").click()
    expect(formulas(page)).to_have_count(3)


def test_space_groups_are_asked_for_by_number_symbol_and_system(visit: Visiting, url: str) -> None:
    page = visit(url).open("")
    page.get_by_label("Formula or chemical system").fill("LiS2")
    page.get_by_text("More", exact=True).click()
    field = page.get_by_label("Space groups")
    field.fill("225, Q1")
    page.get_by_role("button", name="Find structures").click()
    expect(page.locator("#error-space_groups")).to_contain_text("There is no such space group. Give numbers")
    field.fill("225, Pnma cubic")
    page.get_by_role("button", name="Find structures").click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    (job, *_others) = httpx.get(f"{url}/jobs").json()["items"]
    assert job["spec"]["space_groups"] == [225, "Pnma", "cubic"]


def test_boundary_conditions_are_asked_for_as_they_are_written(visit: Visiting, url: str) -> None:
    page = visit(url).open("")
    page.get_by_label("Formula or chemical system").fill("LiS2")
    page.get_by_text("More", exact=True).click()
    send = page.get_by_role("button", name="Find structures")
    wrong = {"separations": "Li-S far", "layer": "high", "seed_structure": "Li 0 0 0"}
    for name, text in wrong.items():
        page.locator(f"#{name}").fill(text)
    send.click()
    for name in wrong:
        expect(page.locator(f"#error-{name}")).to_be_visible()
    sheet = {
        "numbers": [6, 6],
        "positions": [[0, 0, 7.5], [0, 1.42, 7.5]],
        "cell": [[2.46, 0, 0], [1.23, 2.13, 0], [0, 0, 15]],
        "periodic": [True, True, False],
    }
    right = {"separations": "Li-S 2.2, S-S=1.9", "layer": "7.5 – 10", "seed_structure": json.dumps(sheet)}
    for name, text in right.items():
        page.locator(f"#{name}").fill(text)
    page.get_by_label("Pressure").fill("0.1")
    send.click()
    expect(page.locator("#error-pressure")).to_contain_text("Leave it out")
    page.get_by_label("Pressure").fill("")
    page.get_by_label("Let it relax as well").check()
    send.click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    (job, *_others) = httpx.get(f"{url}/jobs").json()["items"]
    assert job["spec"]["separations"] == {"Li-S": 2.2, "S-S": 1.9}
    assert (job["spec"]["layer"], job["spec"]["seed_structure"]) == ([7.5, 10], sheet)
    assert job["spec"]["relax_seed"]
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Again, another seed").click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    (again, *_others) = httpx.get(f"{url}/jobs").json()["items"]
    assert again["id"] != job["id"]
    assert {**again["spec"], "seed": 0} == {**job["spec"], "seed": 0}


def test_how_minima_are_looked_for_is_asked_for(visit: Visiting, url: str) -> None:
    page = visit(url).open("")
    page.get_by_label("Formula or chemical system").fill("LiS2")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Relaxed by").select_option("L-BFGS")
    for label, number in {"Hops": "2", "Generations": "21", "Annealing": "50"}.items():
        page.get_by_label(label).fill(number)
    page.get_by_role("button", name="Find structures").click()
    expect(page.locator("#error-generations")).to_contain_text("less than or equal to 20")
    page.get_by_label("Generations").fill("3")
    page.get_by_role("button", name="Find structures").click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    (job, *_others) = httpx.get(f"{url}/jobs").json()["items"]
    spec = job["spec"]
    assert [spec[name] for name in ("optimizer", "hops", "generations", "annealing")] == ["lbfgs", 2, 3, 50]


def test_properties_are_aimed_at(visit: Visiting, url: str) -> None:
    page = visit(url).open("")
    page.get_by_label("Formula or chemical system").fill("Ga2O3")
    page.get_by_text("More", exact=True).click()
    gap, formation = page.get_by_label("Band gap"), page.get_by_label("Formation energy")
    send = page.get_by_role("button", name="Find structures")
    for text, told in {"wide": "no range", "3-2": "lowest value first"}.items():
        gap.fill(text)
        send.click()
        expect(page.locator("#error-target")).to_contain_text(told)
        expect(gap).to_have_attribute("aria-invalid", "true")
    gap.fill("2 – 3.5")
    formation.fill("-2 to -1.5")
    expect(page.locator("#error-target")).to_be_hidden()
    send.click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    (job, *_others) = httpx.get(f"{url}/jobs").json()["items"]
    wanted = {"band_gap": [2, 3.5], "formation_energy": [-2, -1.5]}
    assert job["spec"]["target"] == wanted
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Again, another seed").click()
    expect(page.locator(".job-head .state")).to_have_text("queued")
    assert httpx.get(f"{url}/jobs").json()["items"][0]["spec"]["target"] == wanted
