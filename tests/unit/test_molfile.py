"""XYZ and SDF, written by hand: other programs read back what was meant."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read
from rdkit import Chem

from rm_engine.analysis.molecules import examine_molecule
from rm_engine.errors import InputError
from rm_engine.files import write_sdf, write_xyz


@pytest.mark.parametrize("name", ["C6H6", "CH3NO2", "C5H5N", "HCN", "CH3CH2OH", "SiH4"])
def test_chemistry_comes_back_from_an_sdf(name: str) -> None:
    atoms = molecule(name)
    report = examine_molecule(atoms)
    assert report.smiles is not None
    block = write_sdf(atoms, report.bonds, report.charges, title=name)
    parsed = Chem.MolFromMolBlock(block)
    assert Chem.MolToSmiles(parsed) == report.smiles
    positions = parsed.GetConformer().GetPositions()
    heavy = [row for row, number in enumerate(atoms.numbers) if number != 1]
    assert np.abs(positions - atoms.positions[heavy]).max() < 1e-4
    assert parsed.GetConformer().Is3D()


def test_properties_stand_after_the_molecule() -> None:
    text = write_sdf(molecule("H2O"), title="water", properties={"model": "qm7b", "missing": None, "energy": -1.5})
    assert text.splitlines()[0] == "water"
    assert text.endswith("M  END\n>  <model>\nqm7b\n\n>  <energy>\n-1.5\n\n$$$$\n")


def test_charges_go_eight_to_a_line() -> None:
    lines = write_sdf(Atoms("Li9"), charges=[(k, 1 if k % 2 else -1) for k in range(9)]).splitlines()
    charges = [line for line in lines if line.startswith("M  CHG")]
    assert [line[6:9] for line in charges] == ["  8", "  1"]
    assert charges[1] == "M  CHG  1   9  -1"


def test_xyz_is_plain() -> None:
    atoms = molecule("CH3OH")
    text = write_xyz(atoms, "model=qm7b\nenergy=1")
    assert text.splitlines()[:2] == ["6", "model=qm7b energy=1"]
    parsed = read(StringIO(text), format="xyz")
    assert parsed.numbers.tolist() == atoms.numbers.tolist()
    assert np.abs(parsed.positions - atoms.positions).max() < 1e-7


@pytest.mark.parametrize("write", [write_xyz, write_sdf])
def test_crystals_are_refused(write: object) -> None:
    with pytest.raises(InputError, match="no cell"):
        write(bulk("Cu"))  # type: ignore[operator]


def test_more_atoms_than_the_format_counts_are_refused() -> None:
    with pytest.raises(InputError, match="1000 atoms"):
        write_sdf(Atoms("C1000", positions=np.zeros((1000, 3))))
