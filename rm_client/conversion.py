"""Answers for ASE, pymatgen and pandas, each imported on first use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ase
    import pandas as pd
    from pymatgen.core.structure import Structure

    from rm_client.answers import PlainAtoms, StructureItem

_COLUMNS: Final = (
    "id", "formula", "reduced_formula", "chemsys", "n_atoms", "volume_per_atom", "energy_per_atom", "energy_kind",
    "energy_above_hull", "pseudo_energy_per_atom", "formation_energy_per_atom", "band_gap", "opinion_energy_per_atom",
    "space_group", "space_group_number", "smiles", "known_as", "start", "start_origin", "converged", "duplicate_of",
    "n_steps", "model", "model_fingerprint", "job", "sample", "created_at",
)  # fmt: skip


def to_ase(atoms: PlainAtoms) -> ase.Atoms:
    """The structure for ASE."""
    from ase import Atoms

    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.periodic)


def to_pymatgen(atoms: PlainAtoms) -> Structure:
    """The crystal for pymatgen.

    Raises:
        ValueError: it is no crystal.
    """
    from pymatgen.io.ase import AseAtomsAdaptor

    if not all(atoms.periodic):
        raise ValueError("This is no crystal, and has no lattice. Take its `atoms`.")
    return AseAtomsAdaptor.get_structure(to_ase(atoms))


def to_extxyz(structures: Sequence[ase.Atoms]) -> str:
    """Structures in the text of one file, without what is not theirs to be learned from: energies, forces."""
    from ase.io import write

    text = StringIO()
    for atoms in structures:
        bare = type(atoms)(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        write(text, bare, format="extxyz")
    return text.getvalue()


def to_data_frame(items: Iterable[StructureItem]) -> pd.DataFrame:
    """Structures in rows by id, with the names of the known ones that they match in ``known_as``."""
    import pandas as pd

    return pd.DataFrame([_row(item) for item in items], columns=list(_COLUMNS)).set_index("id")


def _row(item: StructureItem) -> dict[str, Any]:
    group, molecule = item.space_group, item.molecule
    return {
        **dict(item),
        "energy_per_atom": item.energy_per_atom,
        "opinion_energy_per_atom": item.opinion and item.opinion.formation_energy_per_atom,
        "space_group": group and group.symbol,
        "space_group_number": group and group.number,
        "smiles": molecule and molecule.smiles,
        "known_as": ", ".join(match.name for match in item.matches) or None,
    }
