"""Figure 4: the convex hull of lithium and sulfur."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rm_engine.spec import default_model as find_default
from rm_engine.spec.generation import CRYSTAL
from rmatch.benchmark.report import Table
from rmatch.figure.request import Drawing, Request

if TYPE_CHECKING:
    from rm_engine.evaluation.binary_hull import BinaryHull, HullEntry, KnownStructure

N_SAMPLES: Final = 60
"""At every composition."""
_FILE: Final = "li_s.extxyz"
_ELEMENTS: Final = ("Li", "S")
_COLUMNS = ("known as", "formula", "space group", "excess energy", "above hull", "in training")


def default_model() -> str:
    """The model for crystals."""
    return find_default(CRYSTAL)


def draw(request: Request) -> Drawing:
    """Every composition of up to six atoms, searched without known structures; matches with them are marked."""
    from rm_engine.evaluation.binary_hull import survey_binary
    from rm_engine.figures import plot_binary_hull

    known, in_training = _read_known(request.data)
    n = request.n or N_SAMPLES
    hull = survey_binary(request.model, _ELEMENTS, n, known=known, seed=request.seed, on_progress=request.report)
    card = request.model.card
    numbers: dict[str, Any] = {
        "n_samples_each": n,
        "starts": "Wyckoff positions by stoichiometry pattern, and random; none from known structures",
        "n_tried": hull.n_tried,
        "known_structures": in_training,
        "on_hull": [asdict(entry) for entry in hull.stable],
        "known_on_hull": _known_on_hull(hull),
        "found": {name: asdict(entry) for name, entry in hull.found.items()},
        "structures": [_round(asdict(entry)) for entry in hull.entries],
    }
    picture = plot_binary_hull(hull, in_training, card.name, energy_kind=card.energy_kind)
    return Drawing(picture, numbers, _tables(hull, in_training, card.energy_kind), _remarks(hull, known))


def _read_known(data: Path | None) -> tuple[list[KnownStructure], dict[str, bool]]:
    """The known crystals, and whether each is in the training set; nothing where there is no file."""
    from rm_engine.evaluation.binary_hull import KnownStructure
    from rm_engine.files import read_structures

    path = None if data is None else data / _FILE if data.is_dir() else data
    if path is None or not path.is_file():
        return [], {}
    stored = list(read_structures(path))
    in_training = {item.name: item.info.get("mp20_split") == "train" for item in stored}
    return [KnownStructure(item.name, item.atoms) for item in stored], in_training


def _known_on_hull(hull: BinaryHull) -> dict[str, list[str]]:
    """By formula, the known crystals that are on the hull, generated or relaxed."""
    known: dict[str, list[str]] = {}
    for entry in hull.entries:
        if entry.above_hull == 0 and entry.known_as and entry.known_as[0] not in known.get(entry.formula, ()):
            known.setdefault(entry.formula, []).append(entry.known_as[0])
    return known


def _tables(hull: BinaryHull, in_training: dict[str, bool], energy_kind: str) -> list[Table]:
    unit = {"pseudo": "pseudo energies", "formation": "estimated formation energies, eV/atom"}[energy_kind]
    on_hull = [((*entry.known_as, "-")[0], entry) for entry in hull.stable]
    parts = {"On the hull": on_hull, "Known crystals that the search found": hull.found.items()}
    return [
        Table(f"{title} ({unit})", _COLUMNS, [_row(name, entry, in_training) for name, entry in entries])
        for title, entries in parts.items()
    ]


def _row(name: str, entry: HullEntry, in_training: dict[str, bool]) -> list[str]:
    trained = {True: "yes", False: "no"}[in_training[name]] if name in in_training else ""
    return [name, entry.formula, str(entry.space_group), f"{entry.excess:.4f}", f"{entry.above_hull:.4f}", trained]


def _remarks(hull: BinaryHull, known: list[KnownStructure]) -> list[str]:
    if not known:
        return [f"No marks: known crystals are in {_FILE}. Give the folder that holds it as --data."]
    names = {item.name for item in known}
    found = sum(item in hull.found for item in names)
    return [f"{found} of {len(names)} known crystals were found by a search that starts from none of them."]


def _round(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in entry.items()}
