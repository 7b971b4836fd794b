"""The documentation becomes a site without a warning, which asks no other host for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import COMMANDS, DOCS, PAGES, ROOT, find_blocks

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed|object)\b[^>]*\b(?:src|srcset|data)="?([^"\s>]+)"""
    r"""|<link\b(?![^>]*rel="?canonical)[^>]*\bhref="?([^"\s>]+)"""
    r"""|url\(["']?([^"')]+)|@import\s*["']([^"']+)"""
)
"""What a browser fetches by itself: not where links lead."""


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """What ``make docs`` does, with the documentation in a folder."""
    command = [Path(sys.executable).with_name("mkdocs"), "build", "--site-dir", site]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


def test_dead_links_and_forgotten_pages_are_refused(tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    (tmp_path / "docs" / "forgotten.md").write_text("[dead](dead.md), [folder](decisions), [place](api.md#nowhere)\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    complaints = [line for line in built.stderr.splitlines() if "forgotten.md" in line]
    for flaw in ("'dead.md'", "'decisions'", "'api.md#nowhere'", 'not included in the "nav"'):
        assert any(flaw in line for line in complaints) or flaw in built.stderr, built.stderr


def test_every_page_is_there(site: Path) -> None:
    expected = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert {page.relative_to(site) for page in site.rglob("*.html")} == {*expected, Path("404.html")}


def test_nothing_is_asked_of_another_host(site: Path) -> None:
    files = [path for kind in ("*.html", "*.css") for path in site.rglob(kind)]
    loaded = {(path.name, "".join(found)) for path in files for found in _LOADED.findall(path.read_text())}
    assert len(loaded) > len(files)
    assert not {(name, address) for name, address in loaded if re.match(r"(?:[a-z]+:)?//", address)}


def test_lists_and_tables_became_some(site: Path) -> None:
    """GitHub takes a list or a table that follows a paragraph at once; the site wants an empty line between."""
    for page in site.rglob("*.html"):
        assert not re.search(r"<p>[^<]*(?:\n- |\n\| |^\| )", page.read_text(), re.M), page.name


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_from_beside_the_documentation_lead_somewhere(page: Path) -> None:
    targets = [target.partition("#")[0] for target in _LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    blocks = list(find_blocks(page))
    assert len(re.findall(r"^\s*```", page.read_text(), re.M)) == 2 * len(blocks), "a block is indented, or left open"
    assert {block.language for block in blocks} <= COMMANDS | {"text", "json", "yaml"}
