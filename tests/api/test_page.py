"""The page at ``/`` as it is served: whole, within its policy, and no older than it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.api.web import VERSION


def test_all_that_the_page_loads_comes_from_here_and_stays(client: TestClient) -> None:
    page = client.get("/")
    waiting = re.findall(rf'(?:src|href)="web/{VERSION}/([^"]+)"', page.text)
    seen: set[str] = set()
    assert {"main.js", "page.css"} <= set(waiting)
    while waiting:
        name = waiting.pop()
        answer = client.get(f"/web/{VERSION}/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        if name != "3Dmol-min.js":  # which can fetch, if told to; what it does is watched in the browser
            assert not re.findall(r"(?:from |import |fetch\(|url\()[\"']?https?:", answer.text), (
                "nothing from elsewhere"
            )
        seen.add(name)
        waiting += set(re.findall(r'(?:from |new URL\()"\./([^"]+)"', answer.text)) - seen
    assert {"viewer.js", "3Dmol-min.js"} <= seen


def test_no_script_stands_in_the_page_and_none_is_allowed_there(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'; style-src 'self'" in policy
    assert all(not script.strip() for script in re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL))
    assert not re.findall(r"\son\w+=|javascript:|<style|\sstyle=", page.text)


def test_a_browser_asks_whether_the_page_is_another_one(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_page_of_another_version_keeps_nothing(client: TestClient) -> None:
    assert client.get("/web/0123/main.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["index.html", "..%2fmain.py", "%2e%2e", "vendor", "nothing.js"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/web/{VERSION}/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_that_the_browser_is_missing_stands_at_the_end(tmp_path: Path) -> None:
    """Of a run of tests that is not of the page alone, and that ends well."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--no-cov",
        "-k",
        "theme_is_kept or asks_whether",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RMATCH_REQUIRE_BROWSER"}
    done = subprocess.run(
        [*command, "tests/browser/test_access.py", __file__],
        env={**environment, "PATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    *_, said, summary = done.stdout.strip().splitlines()
    assert said == "Tests of the page that did not run: 1. They need chromium, which is not installed."
    assert "1 skipped" in summary
