"""Bonds of a molecule perceived from its geometry, with RDKit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_BOND_ORDER_TRIES: Final = 1000
"""Assignments of bond orders that are tried; molecules of QM7b need at most ten, hostile geometry millions."""

_SHORTEST_BOND: Final = 0.72
_LONGEST_BOND: Final = 1.2
"""In sums of covalent radii: from 0.78 to 1.06 in 99 of 100 molecules of QM7b."""


def connect(atoms: Atoms) -> Mol | None:
    """The atoms with bonds of order one between those that are near; None where there is no geometry."""
    from rdkit import Chem  # noqa: PLC0415
    from rdkit.Chem import rdDetermineBonds  # noqa: PLC0415

    if len(atoms) == 0 or not np.isfinite(atoms.positions).all() or not (atoms.numbers > 0).all():
        return None
    molecule = Chem.RWMol()
    for number in atoms.numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)  # all hydrogen atoms are there
        molecule.AddAtom(atom)
    conformer = Chem.Conformer(len(atoms))
    conformer.SetPositions(atoms.positions.astype(np.float64))
    molecule.AddConformer(conformer)
    rdDetermineBonds.DetermineConnectivity(molecule)
    return molecule


def count_fragments(molecule: Mol) -> int:
    """Number of pieces that bonds hold together."""
    from rdkit import Chem  # noqa: PLC0415

    return len(Chem.GetMolFrags(molecule, sanitizeFrags=False))


def assign_bond_orders(graph: Mol, *, radicals: bool = False) -> Mol | None:
    """The molecule without charge that has these bonds, or None: one of closed shells, where charges may be within
    it, as in a nitro group; or one that may have radicals instead.
    """
    from rdkit import Chem  # noqa: PLC0415
    from rdkit.Chem import rdDetermineBonds  # noqa: PLC0415

    molecule = Chem.RWMol(graph)
    try:
        rdDetermineBonds.DetermineBondOrders(
            molecule, charge=0, allowChargedFragments=not radicals, maxIterations=_BOND_ORDER_TRIES
        )
    except (ValueError, RuntimeError):
        return None
    has_radicals = any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())
    return molecule if radicals or not has_radicals else None


def write_smiles(molecule: Mol) -> str:
    """Canonical SMILES, hydrogen left out where it is understood."""
    from rdkit import Chem  # noqa: PLC0415

    bare = Chem.RemoveHs(molecule, sanitize=False)
    return str(Chem.MolToSmiles(bare))


def list_bonds(molecule: Mol) -> tuple[tuple[int, int, int], ...]:
    """(atom, atom, order) of every bond, aromatic ones as single and double."""
    from rdkit import Chem  # noqa: PLC0415

    kekulized = Chem.Mol(molecule)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    return tuple(
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), round(bond.GetBondTypeAsDouble()))
        for bond in kekulized.GetBonds()
    )


def list_charges(molecule: Mol) -> tuple[tuple[int, int], ...]:
    """(atom, formal charge) of the atoms that have one."""
    return tuple((atom.GetIdx(), atom.GetFormalCharge()) for atom in molecule.GetAtoms() if atom.GetFormalCharge())


def has_lone_charges(molecule: Mol) -> bool:
    """Whether an atom is charged and none that it is bonded to has a charge of the other sign, as in a nitro group."""
    return any(
        atom.GetFormalCharge()
        and all(other.GetFormalCharge() * atom.GetFormalCharge() >= 0 for other in atom.GetNeighbors())
        for atom in molecule.GetAtoms()
    )


def has_strained_bond(molecule: Mol) -> bool:
    """Whether a bond is longer or shorter than any in QM7b, measured by the sum of the covalent radii."""
    positions = molecule.GetConformer().GetPositions()
    for bond in molecule.GetBonds():
        first, second = bond.GetBeginAtom(), bond.GetEndAtom()
        radii = covalent_radii[[first.GetAtomicNum(), second.GetAtomicNum()]].sum()
        length = np.linalg.norm(positions[first.GetIdx()] - positions[second.GetIdx()])
        if not _SHORTEST_BOND < length / radii < _LONGEST_BOND:
            return True
    return False
