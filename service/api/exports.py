"""Structures as the files that other programs read."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Response

from rm_engine.files import from_json, write_sdf, write_structure, write_xyz
from service.api.negotiation import MEDIA_TYPES, FileFormat
from service.domain import MoleculeRecord
from service.domain.views import StructureView

_FILE_NAMES: Final[dict[FileFormat, str]] = {"poscar": "POSCAR-{}"}
_NOTHING: Final = MoleculeRecord(smiles=None, is_connected=False, checks={}, passes_checks=False)


def respond_with_file(view: StructureView, format_: FileFormat) -> Response:
    """The structure as a file of this format.

    Raises:
        InputError: the format cannot hold it, as a CIF cannot hold a molecule.
    """
    name = _FILE_NAMES.get(format_, f"{{}}.{format_}").format(view.id)
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Vary": "Accept"}
    return Response(_write(view, format_), headers=headers, media_type=MEDIA_TYPES[format_])


def _write(view: StructureView, format_: FileFormat) -> str:
    atoms = from_json(view.atoms or {})
    atoms.info = _facts(view)
    if format_ == "xyz":
        return write_xyz(atoms, " ".join(f"{name}={value}" for name, value in atoms.info.items()))
    if format_ == "sdf":
        molecule = view.molecule or _NOTHING
        properties = {**atoms.info, "smiles": molecule.smiles}
        return write_sdf(atoms, molecule.bonds, molecule.charges, title=view.id, properties=properties)
    return write_structure(atoms, format_)


def _facts(view: StructureView) -> dict[str, Any]:
    """What stands beside the atoms: every energy with its kind, and the model that made it."""
    facts = {
        "id": view.id,
        "model": view.model,
        "model_fingerprint": view.model_fingerprint,
        "energy_kind": view.energy_kind,
        "pseudo_energy_per_atom": view.pseudo_energy_per_atom,
        "formation_energy_per_atom": view.formation_energy_per_atom,
    }
    return {name: value for name, value in facts.items() if value is not None}
