"""Every command in the documentation runs: each page is a script of the shell, for a service that is there.

A block that cannot run here says so in a comment before it, ``<!-- not run: REASON -->``, with a reason of
:data:`REASONS`; one that shows a refusal is marked ``<!-- refused -->``. The site shows neither.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import yaml
from pages import PAGES, ROOT, Block, find_blocks, to_script
from processes import clean_environment, run_answering
from servers import HOST, free_port
from typer.main import get_command

from rmatch.main import app

REASONS: Final = {
    "make": "sets up a checkout, and runs what these tests are part of; demo and up have tests of their own",
    "docker": "there is none here; test_compose.py runs what the compose file says",
    "kubectl": "there is no cluster here; test_deploy.py holds the manifests against the schema of Kubernetes",
    "servers": "names hosts of the operator's; test_roles.py runs these processes on PostgreSQL",
    "operations": "needs a database to save; test_operations.py runs it",
    "data": "needs data sets that are not in the repository, and minutes",
}
PAGES_WITH_COMMANDS: Final = [page for page in PAGES if to_script(page).strip()]
LEFT_OUT: Final = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{block.line}")
    for page in PAGES
    for block in find_blocks(page)
    if block.reason
]
PAGE_SECONDS: Final = 240


@dataclass(frozen=True)
class Service:
    """What runs: where it keeps its data, and what the addresses of the documentation stand for."""

    data: Path
    addresses: Mapping[str, str]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The whole service, and beside it an API on the same data that asks for keys."""
    folder = tmp_path_factory.mktemp("service")
    models = tmp_path_factory.getbasetemp() / "your-own-model" / "models"
    open_port, closed_port = free_port(), free_port()
    environment = {"RMATCH_DATA_DIR": str(folder), "RMATCH_SOFT_SHUTDOWN_SECONDS": "1", "RMATCH_WORKER_NICE": "0"}
    with (
        run_answering("up", open_port, {**environment, "RMATCH_MODELS_DIR": str(models)}),
        run_answering("api", closed_port, {**environment, "RMATCH_KEYS": "on"}),
    ):
        addresses = {
            "localhost:8000": f"{HOST}:{open_port}",
            "https://rmatch.example.org": f"http://{HOST}:{closed_port}",
        }
        yield Service(folder, addresses)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_runs(page: Path, service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / page.stem
    folder.mkdir()
    (folder / ".curlrc").write_text("fail-with-body\n")  # an answer that refuses is an error
    script = to_script(page)
    for documented, real in service.addresses.items():
        script = script.replace(documented, real)
    ran = run_script(script, folder, RMATCH_DATA_DIR=str(service.data), CURL_HOME=str(folder))
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


def run_script(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the commands of a page until one of them fails; its standard error shows each with its line of the page."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", f"PS4='line $LINENO: '; {script}"],  # on line 1, the title
        cwd=folder,
        env={**clean_environment(), "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("```bash\ntrue\n```", 0),
        ("```bash\nfalse\ntrue\n```", 1),
        ("```bash\nfalse | true\n```", 1),
        ("```python\nraise SystemExit(3)\n```", 3),
        ("```console\n$ true\nfalse\n```", 0),
        ("```console\n$ false\n```", 1),
        ("<!-- refused -->\n```bash\n(exit 22)\n```", 0),
        ("<!-- refused -->\n```bash\ntrue\n```", 1),
        ("<!-- not run: docker -->\n```bash\nfalse\n```", 0),
        ("```text\nfalse\n```", 0),
    ],
)
def test_a_page_fails_with_its_first_command_that_does(text: str, status: int, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{text}\n")
    assert run_script(to_script(page), tmp_path).returncode == status


def test_all_that_readers_need_first_has_commands() -> None:
    found = {page.stem for page in PAGES_WITH_COMMANDS}
    assert found >= {"README", "tutorial", "api", "your-own-model", "deployment", "optimade"}


@pytest.mark.parametrize("block", LEFT_OUT)
def test_what_is_left_out_has_a_reason_and_is_spelled_right(block: Block) -> None:
    assert block.reason in REASONS
    for line in block.text.replace("\\\n", " ").splitlines():
        check_words(shlex.split(line.removeprefix("$ "), comments=True))


def check_words(words: list[str]) -> None:
    """Commands, options, services and files of the project have the names that there are."""
    if "rmatch" in words:
        check_arguments(words[words.index("rmatch") + 1 :])
    if "make" in words:
        assert re.search(rf"^{words[-1]}:", (ROOT / "Makefile").read_text(), re.M), words
    if words[:2] == ["docker", "compose"]:
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        scaled = {word.partition("=")[0] for option, word in pairwise(words) if option == "--scale"}
        assert scaled | {word for word, command in pairwise(words) if command == "rmatch"} <= services.keys(), words
    for word in words:
        if word.startswith(("deploy/", "docker-compose")):
            assert (ROOT / word).exists(), word


def check_arguments(words: list[str]) -> None:
    """The command line takes these words."""
    command = get_command(app)
    context = command.make_context("rmatch", list(words))
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, list(words), parent=context)
