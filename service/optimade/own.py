"""Our own properties: energies, models, jobs, under our prefix."""

from __future__ import annotations

from typing import Any, Final

from service.domain.views import StructureOrder
from service.optimade.properties import DataType, Property

PREFIX: Final = "_rmatch_"


def _own(type_: DataType, field: str, description: str, **options: Any) -> Property:  # noqa: ANN401  those of Property
    """A property of ours that is a field of the view."""
    return Property(type_, description, lambda view: getattr(view, field), field=field, **options)


OWN: Final[dict[str, Property]] = {
    PREFIX + name: found
    for name, found in {
        "job": _own(DataType.STRING, "job_id", "Id of the job that made it.", is_always_known=True),
        "sample": _own(DataType.INTEGER, "sample", "Number of the sample in its job.", is_always_known=True),
        "model": _own(DataType.STRING, "model", "Name of the model that made it.", is_always_known=True),
        "model_fingerprint": _own(DataType.STRING, "model_fingerprint", "Which weights of that name."),
        "start": _own(
            DataType.STRING,
            "start",
            "What it was relaxed from: references, wyckoff or random.",
            is_always_known=True,
        ),
        "start_origin": _own(DataType.STRING, "start_origin", "What its start was made of."),
        "pseudo_energy_per_atom": _own(
            DataType.FLOAT,
            "pseudo_energy_per_atom",
            "Pseudo energy per atom. It has no unit, and compares within one model only.",
            is_always_known=True,
        ),
        "formation_energy_per_atom": _own(
            DataType.FLOAT,
            "formation_energy_per_atom",
            "The model's estimate of the formation energy per atom.",
            unit="eV",
        ),
        "band_gap": _own(
            DataType.FLOAT, "band_gap", "An estimate of the band gap of a crystal, as PBE gives it.", unit="eV"
        ),
        "energy_kind": _own(
            DataType.STRING,
            "energy_kind",
            "The energy that the model ranks by, and distances to the hull are of: pseudo or formation.",
            is_always_known=True,
        ),
        "ranking_energy_per_atom": Property(
            DataType.FLOAT,
            "That energy: eV where it is the formation energy, else without a unit.",
            lambda view: view.ranking_energy,
            field="ranking_energy",
            order=StructureOrder.ENERGY,
            is_always_known=True,
        ),
        "energy_above_hull": _own(
            DataType.FLOAT,
            "energy_above_hull",
            "Per atom, of that kind; of converged crystals, among those of the same model and weights. It may grow.",
            order=StructureOrder.ENERGY_ABOVE_HULL,
        ),
        "volume_per_atom": _own(DataType.FLOAT, "volume_per_atom", "Of a crystal.", unit="Å^3"),
        "converged": _own(
            DataType.BOOLEAN, "converged", "Whether its relaxation converged.", is_always_known=True
        ),
        "n_steps": _own(DataType.INTEGER, "n_steps", "Relaxation steps that it took.", is_always_known=True),
        "space_group_symbol": _own(DataType.STRING, "space_group_symbol", "Hermann-Mauguin symbol."),
        "unique": Property(
            DataType.BOOLEAN,
            "The first of its kind in its job, or a duplicate; unknown until the job is analysed.",
            lambda view: None if view.representative_id is None else view.duplicate_of is None,
            field="is_unique",
        ),
        "matched": Property(
            DataType.BOOLEAN,
            "Whether it is the same as a known structure.",
            lambda view: bool(view.matches),
            field="is_matched",
            is_always_known=True,
        ),
        "smiles": Property(
            DataType.STRING,
            "Canonical SMILES of a molecule, where its bonds could be perceived.",
            lambda view: view.molecule and view.molecule.smiles,
            field="smiles",
        ),
        "passes_checks": Property(
            DataType.BOOLEAN,
            "Whether a molecule passes all checks of its examination.",
            lambda view: view.molecule and view.molecule.passes_checks,
            field="passes_checks",
        ),
    }.items()
}  # fmt: skip
