"""What is a molecule, and what is none."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from rm_engine.analysis import examine_molecule, find_molecule_flaw
from rm_engine.analysis.molecules import NEWER_CHECKS, PAPER_CHECKS

DISTINCT_FLAWS = {
    "nothing at all": (Atoms(), False),
    "an unknown element": (Atoms("XH"), False),
    "atoms on top of one another": (Atoms("C3"), False),
    "atoms that are not anywhere": (Atoms("H2", positions=[[np.nan] * 3, [0, 0, 1]]), False),
    "noble gas": (Atoms("He2", positions=[[0, 0, 0], [0, 0, 3.0]]), False),
    "a chain of a hundred bare carbon atoms": (Atoms("C100", positions=[[1.25 * i, 0, 0] for i in range(100)]), True),
}


@pytest.mark.parametrize(
    ("name", "smiles"),
    [
        ("CH3CH2OH", "CCO"),
        ("C6H6", "c1ccccc1"),
        ("CH3NO2", "C[N+](=O)[O-]"),
        ("H2CCHCN", "C=CC#N"),
        ("CH3CONH2", "CC(N)=O"),
    ],
)
def test_molecules_are_recognised_and_pass(name: str, smiles: str) -> None:
    report = examine_molecule(molecule(name))
    assert report.smiles == smiles
    assert report.is_connected
    assert report.checks == dict.fromkeys(PAPER_CHECKS, True)
    assert report.newer_checks == dict.fromkeys(NEWER_CHECKS, True)
    assert report.passes
    assert find_molecule_flaw(molecule(name)) is None


def test_bonds_and_charges_are_listed() -> None:
    report = examine_molecule(molecule("CH3NO2"))
    atoms = molecule("CH3NO2")
    order = {frozenset(atoms.symbols[[i, j]]): set() for i, j, _ in report.bonds}
    for i, j, bond_order in report.bonds:
        order[frozenset(atoms.symbols[[i, j]])].add(bond_order)
    assert order == {frozenset("CN"): {1}, frozenset("NO"): {1, 2}, frozenset("CH"): {1}}
    assert sorted((atoms.symbols[i], charge) for i, charge in report.charges) == [("N", 1), ("O", -1)]


def test_two_molecules_are_not_one() -> None:
    pair = molecule("CH3CH2OH") + molecule("CH4")
    pair.positions[9:] += 6.0
    report = examine_molecule(pair)
    assert report.smiles == "C.CCO"
    assert not report.is_connected
    assert not report.checks["all_atoms_connected"]
    assert report.checks["sanitization"]
    assert not report.passes
    assert find_molecule_flaw(pair) == "its atoms are not all bonded to one another"


def test_a_radical_sanitizes_but_is_told_apart() -> None:
    report = examine_molecule(molecule("CH3CH2O"))
    assert report.smiles == "CC[O]"
    assert report.checks["sanitization"]
    assert not report.newer_checks["no_radicals"]
    assert find_molecule_flaw(molecule("CH3CH2O")) == "its bonds leave electrons unpaired"


def test_a_bent_ring_and_a_stretched_bond_are_noticed() -> None:
    bent = molecule("C6H6")
    bent.positions[0] += (0.0, 0.0, 0.75)
    assert not examine_molecule(bent).checks["aromatic_ring_flatness"]
    ethane = molecule("C2H6")
    axis = ethane.positions[0] - ethane.positions[1]
    ethane.positions[ethane.positions @ axis > 0] += 0.4 * axis / np.linalg.norm(axis)
    assert not examine_molecule(ethane).checks["bond_lengths"]
    assert find_molecule_flaw(ethane) == "a bond is stretched or squeezed"


@pytest.mark.parametrize("case", DISTINCT_FLAWS)
def test_strange_geometry_is_no_molecule_and_no_error(case: str) -> None:
    atoms, is_connected = DISTINCT_FLAWS[case]
    report = examine_molecule(atoms)
    assert report.is_connected == is_connected
    assert not report.newer_checks["no_radicals"] or not report.passes
    assert set(report.checks) == set(PAPER_CHECKS)
    assert find_molecule_flaw(atoms) is not None


def test_too_many_bonds_do_not_sanitize() -> None:
    crowded = molecule("CH4") + Atoms("C", positions=[[0, 0, 1.5]])
    crowded += Atoms("C", positions=[[0, 0, -1.5]])
    report = examine_molecule(crowded)
    assert report.smiles is None
    assert report.is_connected
    assert report.checks == {**dict.fromkeys(PAPER_CHECKS, False), "all_atoms_connected": True}


def test_a_cage_does_not_take_hours() -> None:
    report = examine_molecule(molecule("C60"))
    assert report.checks["sanitization"]
    assert not report.checks["internal_energy"]


def test_examination_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for name in ("CS2", "P2", "H2COH"):
            examine_molecule(molecule(name))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
