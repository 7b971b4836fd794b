"""The compose file without a docker engine: its commands and environment, as they stand, on real servers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from processes import Running, clean_environment, run_command
from roles import as_role, created_roles
from servers import HOST, PostgresServer, free_port, wait_until

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
_VARIABLE = re.compile(r"\$\{\w+:(?:-(?P<default>[^}]*)|\?[^}]*)\}")
COMPOSE = yaml.safe_load(
    _VARIABLE.sub(lambda found: found["default"] or SECRET, (ROOT / "docker-compose.yml").read_text())
)
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = ("migrations", "api", "worker", "sweeper")
API_PORT = "8000"


class Composition:
    """Starts services of the compose file as processes: host names become loopback, the port of the API a free one."""

    def __init__(self, postgres_url: str, redis_url: str) -> None:
        self.port = str(free_port())
        self._replacements = {
            f"postgresql://rmatch:{SECRET}@db:5432/rmatch": postgres_url,
            f"postgresql://rmatch_api:{SECRET}@db:5432/rmatch": as_role(postgres_url, "rmatch_api"),
            f"postgresql://rmatch_worker:{SECRET}@db:5432/rmatch": as_role(postgres_url, "rmatch_worker"),
            "redis://queue:6379/0": redis_url,
        }

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @contextmanager
    def run(self, name: str) -> Iterator[Running]:
        with run_command(self._command(SERVICES[name]["command"]), self._environment(name)) as running:
            yield running

    def make_key(self) -> str:
        """A key, as the head of the file says how to get one."""
        command = self._command(["rmatch", "keys", "create", "somebody", "--json"])
        environment = clean_environment() | self._environment("migrations")
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return str(json.loads(made.stdout)["key"])

    def is_healthy(self, name: str) -> bool:
        """Run the health check of a service, as the engine would."""
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        checked = subprocess.run(self._command(command), env=clean_environment() | self._environment(name), check=False)
        return checked.returncode == 0

    def _command(self, words: list[str]) -> list[str]:
        """The command, its program from this virtual environment, on our port."""
        program = Path(sys.executable).with_name(words[0])
        return [str(program), *(word.replace(API_PORT, self.port) for word in words[1:])]

    def _environment(self, name: str) -> dict[str, str]:
        given = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
        replaced = {key: self._replacements.get(value, value) for key, value in given.items()}
        assert {value for value in given.values() if "://" in value} <= self._replacements.keys()
        return {**replaced, "PATH": os.environ["PATH"]}


@pytest.fixture
def _roles(postgres_server: PostgresServer) -> Iterator[None]:
    with created_roles(postgres_server):
        yield


@pytest.fixture
def composition(_roles: None, postgres_url: str, redis_url: str) -> Composition:
    return Composition(postgres_url, redis_url)


def test_the_composed_service_runs_a_job(composition: Composition) -> None:
    with ExitStack() as running, httpx.Client(base_url=composition.url, timeout=10) as client:
        migrations = running.enter_context(composition.run("migrations"))
        wait_until(lambda: not migrations.is_alive(), "the migrations end")
        assert migrations.process.returncode == 0, migrations.output()
        for name in ("api", "worker", "sweeper"):
            running.enter_context(composition.run(name))
        wait_until(lambda: composition.is_healthy("api"), "the API is healthy")
        assert client.get("/jobs").status_code == 401
        client.headers["Authorization"] = f"Bearer {composition.make_key()}"
        accepted = client.post("/generate", json={"composition": "C", "n": 3, "formula_units": 2, "model": "diamond"})
        assert accepted.status_code == 202
        path = accepted.headers["Location"]
        wait_until(lambda: client.get(path).json()["state"] == "succeeded", "the job succeeds", 120)
        structures = client.get("/structures", params={"job": accepted.json()["id"]}).json()["items"]
        assert sorted(structure["sample"] for structure in structures) == [0, 1, 2]
        assert client.get("/references", params={"limit": 1}).json()["items"], "the migrations add the known crystals"


def test_only_the_api_is_reachable_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]


def test_every_service_comes_back_and_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] in {"unless-stopped", "on-failure"}, name
    for name in ("api", "worker", "sweeper"):
        assert SERVICES[name]["depends_on"]["migrations"] == {"condition": "service_completed_successfully"}
    for name in ("db", "queue", "api"):
        assert "healthcheck" in SERVICES[name]


def test_the_images_are_built_from_targets_and_files_that_exist() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    assert {SERVICES[name]["build"]["target"] for name in OURS} == {"api", "worker"} <= targets
    sources = {word for line in re.findall(r"^COPY (.*)", dockerfile, re.MULTILINE) for word in line.split()[:-1]} - {
        "."
    }
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources <= admitted
    assert all((ROOT / name).exists() for name in admitted)


def test_the_gpu_override_changes_the_worker_only() -> None:
    override = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())
    assert override["services"].keys() == {"worker"}
    assert override["services"]["worker"]["environment"] == {"RMATCH_DEVICE": "cuda"}
