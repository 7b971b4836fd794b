"""The pictures of the page in the README, made anew: ``make pictures``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import httpx
from browser.conftest import find_chromium, start_browser
from playwright.sync_api import Browser, sync_playwright
from processes import run_answering
from servers import HOST, free_port, wait_until

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
SIZE: Final = {"width": 1360, "height": 880}


def run_job(url: str, composition: str, n: int) -> tuple[str, str]:
    """A finished job: its id, and that of its lowest structure that is no duplicate."""
    job: str = httpx.post(f"{url}/generate", json={"composition": composition, "n": n, "seed": 1}).json()["id"]
    wait_until(lambda: httpx.get(f"{url}/jobs/{job}").json()["state"] == "succeeded", "the job is done", 600)
    found = httpx.get(f"{url}/structures", params={"job": job, "unique": True, "sort": "energy", "limit": 1})
    return job, found.json()["items"][0]["id"]


def take(browser: Browser, address: str, name: str, scheme: str) -> None:
    """One picture, when all of the page is there."""
    page = browser.new_page(viewport=SIZE, color_scheme=scheme)
    page.goto(address)
    page.locator(".stage canvas").wait_for()
    page.locator(".notice.loading").first.wait_for(state="detached")
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"page-{name}.png")
    page.close()


def main() -> None:
    """Run the service on an empty folder, search two systems, take a picture of each."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    with tempfile.TemporaryDirectory() as folder, run_answering("up", port, {"RMATCH_DATA_DIR": folder}):
        with sync_playwright() as playwright, start_browser(playwright, find_chromium()) as browser:
            for composition, n, name, scheme in (("Li-S", 150, "hull", "light"), ("Li-P-S", 200, "ternary", "dark")):
                job, structure = run_job(url, composition, n)
                take(browser, f"{url}/?job={job}&structure={structure}", name, scheme)


if __name__ == "__main__":
    main()
