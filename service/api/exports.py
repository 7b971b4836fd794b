"""Structures as the files that other programs read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from fastapi import Response

from rm_engine.files import append_to_ase_db, from_json, write_sdf, write_structure, write_xyz
from service.api.negotiation import MEDIA_TYPES, FileFormat, TextFormat
from service.domain import MoleculeRecord, OpinionView
from service.domain.views import StructureView

if TYPE_CHECKING:
    from ase import Atoms

_FILE_NAMES: Final[dict[FileFormat, str]] = {"poscar": "POSCAR-{}", "pymatgen": "{}.json", "ase-db": "{}.db"}
_NOTHING: Final = MoleculeRecord(smiles=None, is_connected=False, checks={}, passes_checks=False)


def respond_with_file(view: StructureView, format_: FileFormat) -> Response:
    """The structure as a file of this format.

    Raises:
        InputError: the format cannot hold it, as a CIF cannot hold a molecule.
    """
    name = _FILE_NAMES.get(format_, f"{{}}.{format_}").format(view.id)
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Vary": "Accept"}
    content = _write_database(view) if format_ == "ase-db" else write_text(view, format_)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[format_])


def write_text(view: StructureView, format_: TextFormat) -> str:
    """The structure, which has its atoms, as a text in this format.

    Raises:
        InputError: the format cannot hold it.
    """
    atoms = _to_atoms(view)
    if format_ == "xyz":
        return write_xyz(atoms, " ".join(f"{name}={value}" for name, value in atoms.info.items()))
    if format_ == "sdf":
        molecule = view.molecule or _NOTHING
        properties = {**atoms.info, "smiles": molecule.smiles}
        return write_sdf(atoms, molecule.bonds, molecule.charges, title=view.id, properties=properties)
    return write_structure(atoms, format_)


def append_to_database(path: Path, views: Iterable[StructureView]) -> None:
    """Write structures, which have their atoms, into a database of ASE. Its own ids are numbers: ours have a key."""
    rows = [_to_atoms(view) for view in views]
    for atoms in rows:
        atoms.info["structure_id"] = atoms.info.pop("id")
    append_to_ase_db(path, rows)


def _write_database(view: StructureView) -> bytes:
    with TemporaryDirectory(prefix="rmatch-") as folder:
        path = Path(folder, "structure.db")
        append_to_database(path, [view])
        return path.read_bytes()


def _to_atoms(view: StructureView) -> Atoms:
    """The structure, and beside the atoms what is known of it: every energy with its kind, and the model behind it."""
    atoms = from_json(view.atoms or {})
    facts = {
        "id": view.id,
        "job": view.job_id,
        "model": view.model,
        "model_fingerprint": view.model_fingerprint,
        "energy_kind": view.energy_kind,
        "pseudo_energy_per_atom": view.pseudo_energy_per_atom,
        "formation_energy_per_atom": view.formation_energy_per_atom,
        "band_gap": view.band_gap,
        "energy_above_hull": view.energy_above_hull,
        "space_group": view.space_group_symbol,
        "space_group_number": view.space_group_number,
        **_told_by_others(view.opinion),
    }
    atoms.info = {name: value for name, value in facts.items() if value is not None}
    return atoms


def _told_by_others(opinion: OpinionView | None) -> dict[str, Any]:
    if opinion is None:
        return {}
    names = ("potential", "energy_per_atom", "formation_energy_per_atom", "volume_per_atom", "is_kept")
    return {f"opinion_{name}": getattr(opinion, name) for name in names}
