"""A real browser, and the real service for it: API, worker and sweeper in processes of their own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from processes import run_answering
from servers import HOST, free_port, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox; without a graphics card the processor draws what is in three dimensions.
_PATIENCE_MILLISECONDS = 30_000
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium; none is ever fetched."""
    try:
        return find_chromium()
    except FileNotFoundError as error:
        if os.environ.get("RMATCH_REQUIRE_BROWSER") == "1":
            raise
        pytest.skip(f"needs a browser: {error}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium. Gone with the module, as it runs an event loop in the thread of all tests."""
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        yield start_browser(playwright, chromium)


def find_chromium() -> str:
    """Path of the system's."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError(f"There is none of {', '.join(NAMES)} on PATH. Install Debian's package chromium.")
    return program


def start_browser(playwright: Playwright, chromium: str) -> Browser:
    """Chromium, started."""
    return playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)


def find_serious_faults(page: Page) -> list[tuple[str, str, str]]:
    """What axe finds serious or worse: the rule, where, and why."""
    rules = Axe().run(page).response["violations"]
    return [
        (rule["id"], rule["nodes"][0]["html"], rule["nodes"][0]["failureSummary"])
        for rule in rules
        if rule["impact"] in ("serious", "critical")
    ]


@dataclass
class Visit:
    """A page of a context, and what it did that it must not."""

    url: str
    page: Page
    faults: list[str] = field(default_factory=list)

    def open(self, address: str = "") -> Page:
        """The page at an address below the service's."""
        self.page.goto(f"{self.url}/{address}")
        return self.page

    def watch(self) -> None:
        """Note what goes elsewhere, and what the browser complains of; that an answer was a refusal is none of it."""
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._note_message)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.faults.append(f"request to {request.url}")

    def _note_message(self, message: Any) -> None:
        if message.type in ("error", "warning") and not re.match("Failed to load resource|.*GPU stall", message.text):
            self.faults.append(f"console: {message.text}")


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    """Opens pages on a service, each with a memory of its own; afterwards none of them may have done anything amiss."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def begin(url: str, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(_PATIENCE_MILLISECONDS)
        contexts.append(context)
        visits.append(Visit(url, context.new_page()))
        visits[-1].watch()
        return visits[-1]

    yield begin
    for context in contexts:
        context.close()
    assert not [fault for each in visits for fault in each.faults]


@pytest.fixture(scope="session")
def service_url(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole service, as ``rmatch up`` runs it."""
    port, folder = free_port(), tmp_path_factory.mktemp("service")
    with run_answering("up", port, {"RMATCH_DATA_DIR": str(folder), "RMATCH_SOFT_SHUTDOWN_SECONDS": "1"}):
        yield f"http://{HOST}:{port}"


@pytest.fixture(scope="session")
def finished_job(service_url: str) -> str:
    """Id of a job that has found carbon and knows diamond."""
    request = {"composition": "C", "n": 12, "model": "diamond", "seed": 1, "formula_units": [2, 4]}
    job: str = httpx.post(f"{service_url}/generate", json=request).json()["id"]
    wait_until(lambda: httpx.get(f"{service_url}/jobs/{job}").json()["state"] == "succeeded", "the job is done")
    return job


@pytest.fixture
def api(chromium: str, tmp_path: Path) -> Callable[..., Any]:
    """Runs an API alone, with settings; see :func:`run_answering`."""

    def run(port: int, **settings: str) -> Any:
        names = {f"RMATCH_{name.upper()}": value for name, value in {"data_dir": str(tmp_path), **settings}.items()}
        return run_answering("api", port, names)

    return run
