"""The documentation page: whole, from here alone, and within its policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.main import create_app
from service.settings import Settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path, prepare_database=False)), "http://localhost") as client:
        yield client


def test_the_page_and_all_it_loads_come_from_here(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    kinds = {path: client.get(f"/{path}").headers["content-type"].split(";")[0] for path in loaded}
    assert kinds == {
        "docs/swagger-ui.css": "text/css",
        "docs/favicon-32x32.png": "image/png",
        "docs/swagger-ui-bundle.js": "text/javascript",
        "docs/start.js": "text/javascript",
    }
    fetched = re.findall(r'fetch\("([^"]+)"\)', client.get("/docs/start.js").text)
    assert fetched == ["openapi.json"]
    assert client.get(f"/{fetched[0]}").json()["info"]["title"] == "rmatch"
    for text in (page.text, client.get("/docs/start.js").text, client.get("/docs/swagger-ui.css").text):
        assert not re.findall(r"(?:src=|href=|url\(|@import)\s*[\"']?(?:https?:)?//", text), "nothing from elsewhere"


def test_the_policy_allows_no_script_in_the_page_and_the_page_has_none(client: TestClient) -> None:
    page = client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert (policy["script-src"], policy["connect-src"]) == ("'self'", "'self'")
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert all(not script.strip() for script in re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL))
    assert not re.findall(r"\son\w+=|javascript:|<style", page.text)


def test_no_other_file_is_served(client: TestClient) -> None:
    for name in ("index.html", "../__init__.py", "..%2f__init__.py", "swagger-ui.css.map", "%2e%2e"):
        answer = client.get(f"/docs/{name}")
        assert answer.status_code == 404, name
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_bundle_takes_the_version_of_the_document_that_it_is_given(client: TestClient) -> None:
    """It refuses documents by their number, so the page gives it one that it takes, see ``start.js``."""
    given = re.search(r'openapi: "([^"]+)"', client.get("/docs/start.js").text)
    assert given is not None
    assert given[1].startswith("3.0.")
    bundle = client.get("/docs/swagger-ui-bundle.js").text
    assert re.search(r'get\("openapi"\);return"string"==typeof \w&&.{0,20}"3\.0\."', bundle)
