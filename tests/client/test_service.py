"""Both clients against the service itself."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.io import read

from rm_client import Client, ClientError, ConflictError, InvalidRequestError, Job, NotFoundError
from rm_engine.files import write_structure

CARBON: dict[str, Any] = {"n": 6, "model": "diamond", "formula_units": 2, "seed": 0}


@pytest.fixture(scope="module")
def job(service_url: str) -> Job:
    """A job that has succeeded."""
    with Client(service_url) as client:
        return client.generate("C", **CARBON).wait(progress=False)


def test_a_job_is_waited_for_and_its_structures_come_page_by_page(service_url: str, connect: Any) -> None:
    finished = connect(service_url).generate("C", **CARBON).wait(progress=False)
    assert finished.item.state == "succeeded"
    assert finished.item.counts.generated == 6
    found = list(finished.structures(sort="energy"))
    assert [item.job for item in found] == [finished.id] * 6
    energies = [item.energy_per_atom for item in found]
    assert energies == sorted(energies)


def test_pages_are_asked_for_when_they_are_needed(service_url: str, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(service_url) as client:
        asked = []
        monkeypatch.setattr(client, "_try", lambda call, send=client._try: (asked.append(call.path), send(call))[1])
        found = client.structures(job=job.id)
        assert asked == []
        assert len(list(islice(found, 4))) == 4
        assert len(asked) == 1
        assert len(list(found)) == 2
        assert len(asked) == 2


def test_structures_are_for_ase_and_pymatgen(service_url: str, job: Job, connect: Any) -> None:
    with Client(service_url) as client:
        structure = next(client.structures(job=job.id))
        atoms = structure.atoms
        assert atoms.get_chemical_formula() == structure.formula == "C2"
        assert structure.structure.volume == pytest.approx(atoms.get_volume())
        assert structure.structure.composition.reduced_formula == "C"
        assert structure.volume_per_atom == pytest.approx(atoms.get_volume() / 2)
    assert connect(service_url).structure(structure.id).atoms == atoms


def test_a_data_frame_holds_what_a_query_gives(service_url: str, job: Job, connect: Any) -> None:
    frame = connect(service_url).data_frame(job=job.id)
    assert len(frame) == 6
    assert frame.index.is_unique
    assert set(frame.formula) == {"C2"}
    assert frame.energy_per_atom.equals(frame.pseudo_energy_per_atom)
    lowest = frame.sort_values("energy_per_atom").iloc[0]
    assert "diamond" in lowest.known_as
    assert (lowest.space_group, lowest.space_group_number) == ("Fd-3m", 227)
    empty = connect(service_url).data_frame(composition="Fe")
    assert list(empty.columns) == list(frame.columns)
    assert empty.empty


@pytest.mark.parametrize("name", ["all.extxyz", "all.db"])
def test_a_query_becomes_a_file(service_url: str, job: Job, connect: Any, tmp_path: Path, name: str) -> None:
    client = connect(service_url)
    client.export(tmp_path / name, job=job.id, sort="energy")
    found = read(tmp_path / name, ":")
    assert [atoms.get_chemical_formula() for atoms in found] == ["C2"] * 6
    with pytest.raises(InvalidRequestError):
        client.export(tmp_path / "none.zip", composition="Xx")
    with pytest.raises(ClientError, match=r"\.jsonl"):
        client.export(tmp_path / "all.pdf")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_models_references_points_and_jobs_are_listed(service_url: str, job: Job, connect: Any) -> None:
    client = connect(service_url)
    assert "diamond" in {model.name for model in client.models()}
    assert client.model("diamond").reference_energies.keys() == {"C"}
    assert len(client.points(job=job.id).energy) == 6
    assert job.id in {item.id for item in client.jobs("succeeded")}
    text = write_structure(bulk("C", "fcc", a=3.0), "extxyz")
    (added,) = client.add_references("squeezed carbon", text, "extxyz", source="a test")
    assert added.id in {reference.id for reference in client.references("C")}


def test_a_job_is_cancelled(service_url: str, job: Job, connect: Any) -> None:
    client = connect(service_url)
    long = client.generate("C", **{**CARBON, "n": 5000})
    assert long.cancel().item.state == "cancelled"
    assert long.cancel().item.state == "cancelled"
    with pytest.raises(ConflictError) as refused:
        client.cancel(job.id)
    assert refused.value.code == "job_finished"


def test_refusals_name_field_value_and_way_out(service_url: str, connect: Any) -> None:
    client = connect(service_url)
    with pytest.raises(InvalidRequestError) as refused:
        client.generate("LiXx")
    assert (refused.value.code, refused.value.field, refused.value.value) == ("unknown_element", "composition", "LiXx")
    assert refused.value.hint
    with pytest.raises(NotFoundError) as unknown:
        client.job("a/b")
    assert unknown.value.code in {"unknown_job", "not_found"}


def test_a_second_opinion_is_asked_for(service_url: str, job: Job, connect: Any) -> None:
    client = connect(service_url)
    (item, *_others) = client.structures(job=job.id, sort="energy")
    asked = client.ask_opinions([item.id], query={"job": job.id, "sort": "energy"}, max_steps=1).wait(progress=False)
    assert (asked.item.kind, asked.item.counts.finished) == ("opinion", 6)
    opinion = client.opinion(item.id)
    assert opinion.potential == "CHGNet 0.3.0"
    assert opinion.atoms.get_chemical_formula() == item.formula
    assert len(opinion.structure) == item.n_atoms
    frame = client.data_frame(opinion_job=asked.id)
    assert frame.loc[item.id, "opinion_energy_per_atom"] == opinion.formation_energy_per_atom


def test_a_model_is_trained_asked_saved_and_deleted(service_url: str, connect: Any, tmp_path: Path) -> None:
    client = connect(service_url)
    name = f"carbon-{type(client).__name__.lower()}"
    job = client.train(name, [bulk("C", "diamond", a=3.567)], epochs=1, seed=0).wait(progress=False)
    assert (job.item.kind, job.item.model, job.item.counts.finished) == ("train", name, 1)
    assert client.curve(job.id).epoch == [1]
    assert next(item for item in client.models() if item.name == name).own
    client.download_model(name, tmp_path / "carbon.safetensors")
    with pytest.raises(ConflictError):
        client.train(name, [bulk("C", "diamond", a=3.567)])
    client.delete_model(name)
    with pytest.raises(NotFoundError):
        client.model(name)
    assert client.upload_model(name, (tmp_path / "carbon.safetensors").read_bytes()).elements == ["C"]
    client.delete_model(name)
