"""A database worth searching: three hundred structures of all kinds, with atoms that fit their formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from ase import Atoms
from ase.build import molecule
from databases import record, run_job
from sqlalchemy import text

from rm_engine.files import read_crystals, to_json
from rm_engine.spec import GenerationSpec
from service.domain import Match, MoleculeRecord, Reference
from service.jobs import add_references, claim_chunk, list_due_chunks, record_generated, submit_job
from service.jobs.references import KNOWN_CRYSTALS
from service.store import Store

MOLECULES = ("H2O", "CH3CH2OH", "C6H6", "NH3", "CO2", "CH4", "C2H6CHOH", "SiH4", "H2", "CH3SH", "HCN", "N2H4")


def fill(store: Store, n_crystals: int | None = None) -> None:
    """Two structures of each known crystal and of some molecules; a job not analysed, a row from an old worker."""
    rng = Random(0)
    (known,) = add_references(store, [Reference(name="known", atoms=_crystals()[0][1])])
    crystals = _crystals()[:n_crystals]
    for formula, atoms, number in crystals:
        spec = GenerationSpec(composition=formula, n=2, formula_units=(1,), model=rng.choice(("mp20", "mp20-plus")))
        energies = [round(rng.uniform(-3, 1), 2) for _ in range(2)]
        fields: dict[str, Any] = {
            "atoms": atoms,
            "space_group_number": number,
            "space_group_symbol": f"group {number}",
            "converged": rng.random() < 0.8,
            "n_steps": rng.randrange(50, 60),
            "start": rng.choice(("random", "wyckoff")),
            "band_gap": number / 50 if spec.model == "mp20-plus" else None,
            "formation_energy_per_atom": round(rng.uniform(-2, 1), 1) if spec.model == "mp20-plus" else None,
        }
        matches = {0: [Match(reference_id=known, rms=0.02)]} if rng.random() < 0.3 else {}
        run_job(store, spec, energies, matches=matches, duplicates={1: 0} if rng.random() < 0.3 else {}, **fields)
    for name in MOLECULES[: None if n_crystals is None else 3]:
        _add_molecule(store, molecule(name), rng)
    _leave_unanalysed(store)


def _crystals() -> list[tuple[str, Any, int]]:
    found = []
    for crystal in read_crystals(KNOWN_CRYSTALS):
        atoms = crystal.to_atoms()
        found.append((_formula(atoms), to_json(atoms), crystal.space_group))
    return found


def _formula(atoms: Atoms) -> str:
    """Symbols as they come: neither alphabetical nor reduced."""
    return "".join(f"{symbol}{count}" for symbol, count in Counter(atoms.symbols).items())


def _add_molecule(store: Store, atoms: Atoms, rng: Random) -> None:
    spec = GenerationSpec(composition=_formula(atoms), n=2, formula_units=(1,), periodic=(False, False, False))
    passes = rng.random() < 0.5
    examined = MoleculeRecord(
        smiles=f"C{rng.randrange(9)}%_" if passes else None,
        is_connected=True,
        checks={"a": passes},
        passes_checks=passes,
    )
    no_group = {"space_group_number": None, "space_group_symbol": None}
    run_job(store, spec, [-1.0, -1.5], atoms=to_json(atoms), molecule=examined, **no_group)


def _leave_unanalysed(store: Store) -> None:
    job_id = submit_job(store, GenerationSpec(composition="Li2O", n=2, formula_units=(1,)))
    claim = claim_chunk(store, list_due_chunks(store, job_id=job_id)[0], "worker", 60.0)
    assert claim is not None
    atoms = to_json(Atoms("Li2O", positions=[[0, 0, 0], [1.5, 0, 0], [0, 1.5, 0]], cell=[3, 3, 3], pbc=True))
    first = record(0, -1.25, atoms=atoms)
    assert record_generated(store, claim, [first, replace(first, sample=1)])
    with store.transaction() as tx:
        old = "UPDATE structures SET n_periodic = NULL, model_fingerprint = NULL WHERE id = :id"
        tx.connection.execute(text(old), {"id": f"{job_id}-00001"})
