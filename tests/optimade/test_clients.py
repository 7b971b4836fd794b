"""Published programs ask a real server, which asks for keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from imports import summary
from keyed import SECRET, make_key
from optimade.adapters import Structure as Adapter
from optimade.client import OptimadeClient
from optimade.validator import ImplementationValidator
from optimade_population import fill
from processes import run_rmatch
from pymatgen.core import Structure
from pymatgen.ext.optimade import OptimadeRester
from pymatgen.io.ase import AseAtomsAdaptor
from servers import free_port, wait_until
from typer.testing import CliRunner, Result

from rm_engine.files import from_json
from rm_engine.spec import parse_formula
from rmatch.main import app
from service.domain import PUBLIC_GROUP, Reference, Scope
from service.domain.views import StructureQuery, StructureView
from service.settings import Settings
from service.store import Store

BINARY = 'elements HAS "Na" AND nelements=2 AND nperiodic_dimensions=3'


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("service"))
    with closing(Store(settings.resolved_database_url)) as store:
        store.migrate()
        fill(store, 60)
        yield store


@pytest.fixture(scope="module")
def headers(store: Store) -> dict[str, str]:
    return {"X-API-Key": make_key(store, PUBLIC_GROUP, Scope.READ)}


@pytest.fixture(scope="module")
def url(store: Store) -> Iterator[str]:
    """Base URL of a server of these structures."""
    port = free_port()
    folder = Path(store._engine.url.database or "").parent
    environment = {
        "RMATCH_DATA_DIR": str(folder),
        "RMATCH_KEYS": "on",
        "RMATCH_KEY_SECRET": SECRET,
        "RMATCH_DRAIN_SECONDS": "0",
    }
    with run_rmatch("api", "--port", str(port), environment=environment) as running:
        base = f"http://127.0.0.1:{port}"

        def is_up() -> bool:
            try:
                return not running.is_alive() or httpx.get(f"{base}/healthz").is_success
            except httpx.TransportError:
                return False

        wait_until(is_up, "the API answers")
        yield f"{base}/optimade"


@pytest.fixture(scope="module")
def views(store: Store) -> dict[str, StructureView]:
    """What is stored, by id."""
    with store.reading() as tx:
        found = tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, limit=1000)).items
        return {view.id: view for view in tx.structure_views.with_atoms(found)}


@pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute on the instance")  # its own
@pytest.mark.parametrize(("base", "seed"), [("", 0), ("/v1", 1), ("/v1.2", 2)])
def test_the_validator_finds_nothing(url: str, headers: dict[str, str], base: str, seed: int) -> None:
    random.seed(seed)  # it picks the structure that it asks for
    validator = ImplementationValidator(base_url=url + base, http_headers=dict(headers), verbosity=-1)
    validator.validate_implementation()
    results = validator.results
    messages = results.failure_messages + results.internal_failure_messages + results.optional_failure_messages
    assert messages == []
    assert validator.valid
    assert results.success_count >= 39
    assert results.optional_success_count >= 6


def to_pymatgen(view: StructureView) -> Structure:
    atoms = from_json(view.atoms or {})
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True)


def test_pymatgen_finds_our_structures(
    url: str, headers: dict[str, str], views: dict[str, StructureView], monkeypatch: pytest.MonkeyPatch
) -> None:
    rester = OptimadeRester([])
    monkeypatch.setattr(rester, "resources", {"rmatch": f"{url}/"})
    rester.session.headers.update(headers)
    (found,) = rester.get_structures_with_filter("nperiodic_dimensions=3").values()
    crystals = {key: view for key, view in views.items() if all((view.atoms or {})["periodic"])}
    assert len(crystals) > 100
    assert found == {key: to_pymatgen(view) for key, view in crystals.items()}


def test_the_client_of_optimade_finds_our_structures(
    url: str, headers: dict[str, str], views: dict[str, StructureView]
) -> None:
    client = OptimadeClient(url, headers=headers, silent=True, use_async=False)
    (answer,) = client.get(BINARY)["structures"][BINARY].values()
    expected = {key for key, view in views.items() if view.n_periodic == 3 and len(view.chemsys.split("-")) == 2}
    expected = {key for key in expected if "Na" in views[key].chemsys.split("-")}
    assert {entry["id"] for entry in answer["data"]} == expected
    assert len(expected) > 2
    for entry in answer["data"]:
        assert Adapter(entry).as_pymatgen == to_pymatgen(views[entry["id"]])
    ((_, counted),) = client.count(BINARY)["structures"][BINARY].items()
    assert counted == len(expected)


def test_the_documented_example_works(url: str, headers: dict[str, str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "optimade.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    for placeholder, value in (("http://localhost:8000/optimade", url), ("use_async=False", "**options")):
        assert placeholder in example
        example = example.replace(placeholder, value)
    names = {"options": {"use_async": False, "silent": True, "headers": headers}}
    exec(example, names)
    assert names["crystals"]


def test_rmatch_itself_imports_our_structures(
    url: str, headers: dict[str, str], views: dict[str, StructureView], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file, settings = tmp_path / "key", Settings(data_dir=tmp_path / "data")
    key_file.write_text(headers["X-API-Key"] + "\n")
    monkeypatch.setenv("RMATCH_DATA_DIR", str(settings.data_dir))
    system = next(view.chemsys for view in views.values() if view.chemsys.count("-") == 1)

    def run(*options: str) -> Result:
        return CliRunner().invoke(app, ["references", "import", url, "--page-size", "50", *options])

    assert "refuses with status 401" in str(run().exception)
    first, again, some = (run("--api-key-file", str(key_file), *more) for more in ((), (), ("--system", system)))
    with closing(Store(settings.resolved_database_url)) as store, store.reading() as tx:
        formulas = {parse_formula(view.formula).reduced for view in views.values()}
        found = {item.name: item for item in tx.references.of_formulas(formulas, PUBLIC_GROUP)}
    for key, item in found.items():  # molecules are served without their box
        stored = dict(views[key].atoms or {})
        assert {**item.atoms, "cell": None} == {**stored, "cell": None}
        assert not any(stored["periodic"]) or item.atoms["cell"] == stored["cell"]
    crystals = {Reference(name=key, atoms=view.atoms or {}).id for key, view in views.items() if view.n_periodic == 3}
    assert len(crystals) > 50
    assert crystals <= {item.id for item in found.values()}
    assert summary(len(found), len(views) - len(found)) == first.stdout
    assert summary(0, len(views)) == again.stdout
    assert summary(0, sum(view.chemsys == system for view in views.values())) == some.stdout


def test_molecules_come_through_as_well(url: str, headers: dict[str, str], views: dict[str, StructureView]) -> None:
    client = OptimadeClient(url, headers=headers, silent=True, use_async=False)
    (answer,) = client.get("nperiodic_dimensions=0")["structures"]["nperiodic_dimensions=0"].values()
    assert len(answer["data"]) == 6
    for entry in answer["data"]:
        atoms, stored = Adapter(entry).as_ase, AseAtomsAdaptor.get_molecule(from_json(views[entry["id"]].atoms or {}))
        assert atoms.get_chemical_symbols() == [site.specie.symbol for site in stored]
        assert atoms.positions == pytest.approx(stored.cart_coords)
