"""The app as a whole: unknown paths, failures, what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.domain import PUBLIC_GROUP
from service.main import create_app
from service.settings import Settings
from service.store import Store


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("DELETE", "/structures", 405, "method_not_allowed"),
        ("GET", "/generate", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_a_problem_document(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


def test_a_failure_tells_nothing_but_is_logged(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    @client.app.get("/fail")  # type: ignore[attr-defined]
    def fail() -> None:
        raise RuntimeError("secret")

    response = client.get("/fail")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert "secret" in capsys.readouterr().err


def test_a_database_that_is_down_is_said_so_and_when_to_come_back(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none", prepare_database=False, keys="off"
    )
    with TestClient(create_app(settings), "http://localhost", raise_server_exceptions=False) as client:
        for path in ("/jobs", "/structures?hull=true"):
            response = client.get(path)
            assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
            assert int(response.headers["retry-after"]) > 0


def test_the_embedded_app_prepares_its_database(tmp_path: Path) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path)), "http://localhost") as client:
        assert client.get("/readyz").status_code == 200
    store = Store(Settings(data_dir=tmp_path).resolved_database_url)
    with store.reading() as tx:
        assert len(tx.reference_views.search(PUBLIC_GROUP, None, None, 1000).items) > 50
    store.close()


def test_every_route_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/generate", "/jobs/{job_id}/events", "/structures", "/optimade/v1/structures"} <= paths.keys()
    for operations in paths.values():
        for operation in operations.values():
            assert operation["description"]


def test_the_api_carries_neither_torch_nor_pymatgen(tmp_path: Path) -> None:
    """Also not after it has written a CIF, and JSON for pymatgen."""
    program = """
import sys
from service.main import create_app
from service.settings import Settings
create_app(Settings(data_dir=sys.argv[1]))
heavy = {"torch", "pymatgen", "ase", "scipy", "numpy"} & set(sys.modules)
assert not heavy, heavy
from rm_engine.files import from_json, write_structure
cube = from_json({"numbers": [3], "positions": [[0, 0, 0]], "cell": [3, 3, 3], "periodic": [True] * 3})
for format_ in ("cif", "pymatgen"):
    write_structure(cube, format_)
assert not {"torch", "pymatgen"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
