"""The readable half of a checkpoint: what a model is and knows, without its weights and without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self

from rm_engine.errors import CheckpointError, ModelNotFoundError
from rm_engine.spec.formula import Formula
from rm_engine.spec.validity import check_card

FORMAT_VERSION: Final = 1
EnergyKind = Literal["pseudo", "formation"]
SHIPPED_MODELS: Final = Path(__file__).resolve().parent.parent / "models"
"""Directory of the models in the package: ``NAME.json`` beside ``NAME.safetensors``."""


SMALLEST_VOLUME_PER_ATOM: Final = 3.0
"""Å³; no crystal at ambient pressure is denser (diamond has 5.7), whatever a regression says."""


@dataclass(frozen=True, kw_only=True)
class PotentialConfig:
    """Hyper-parameters of a CACE potential (DOI 10.1038/s41524-024-01332-4); they fix the number of its parameters.

    Attributes:
        elements: atomic numbers that have an embedding.
        n_embedding: length of an element's embedding.
        cutoff: radius of an atom's neighbourhood, Å.
        l_max: highest angular momentum of the angular basis, 2 or 3.
        nu_max: highest body order of the invariants, 2 or 3 (3 needs ``l_max`` 3).
        readout_hidden: widths of the hidden layers of the readout.
        separate_receiver_embedding: give the central atom an embedding of its own.
        n_radial_functions: number of trainable Bessel functions.
        n_radial_channels: number of radial channels they are mixed into.
        core_contact: the repulsive core begins at this fraction of the sum of two covalent radii; 0 is none.
        core_strength: strength of the core, pseudo energy units.
    """

    elements: tuple[int, ...]
    n_embedding: int
    cutoff: float
    l_max: int
    nu_max: int
    readout_hidden: tuple[int, ...]
    separate_receiver_embedding: bool
    n_radial_functions: int = 6
    n_radial_channels: int = 8
    core_contact: float = 0.0
    core_strength: float = 20.0


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a trained model is and knows.

    Attributes:
        name: the name users ask for.
        potential: hyper-parameters of the potential.
        volumes: Å³ per atom of each element, by linear regression over the training set; its keys are the elements
            that the model has learned.
        reference_energies: the end members of the hull, energies per atom of the elements, of the kind that ranks: the
            lowest relaxed one among the element's own training structures, or among simple prototypes where it had
            none.
        training: record of the training: data, recipe, seed, epochs, scores.
        formation: hyper-parameters of the second potential, which estimates formation energies; None where the model
            has none.
        format_version: version of the checkpoint format.
    """

    name: str
    potential: PotentialConfig
    volumes: Mapping[str, float]
    reference_energies: Mapping[str, float]
    training: Mapping[str, Any]
    formation: PotentialConfig | None = None
    format_version: int = FORMAT_VERSION

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements that the model has learned."""
        return tuple(self.volumes)

    @property
    def boundary(self) -> Literal["crystal", "molecule"]:
        """Which structures it was trained on; only crystals give a hull its end members, and not of every model."""
        is_crystal = self.reference_energies or self.training.get("boundary") == "crystal"
        return "crystal" if is_crystal else "molecule"

    @property
    def energy_kind(self) -> EnergyKind:
        """What ranks structures and makes the hull: pseudo energies, or estimates of formation energies in eV/atom."""
        return "pseudo" if self.formation is None else "formation"

    def volume_of(self, formula: Formula) -> float:
        """Volume that the regression predicts for a cell of this formula, Å³, but never less than atoms need."""
        regressed = sum(self.volumes[symbol] * count for symbol, count in formula.counts)
        return max(regressed, formula.n_atoms * SMALLEST_VOLUME_PER_ATOM)

    def to_json(self) -> str:
        """The card as JSON text; :meth:`from_json` is the inverse."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The card in a JSON text.

        Raises:
            CheckpointError: not a card, or one of another format version.
        """
        try:
            data = json.loads(text)
            if data["format_version"] != FORMAT_VERSION:
                raise CheckpointError(
                    f"The checkpoint has format version {data['format_version']}, this program reads {FORMAT_VERSION}. "
                    "Use the version of the program that wrote it, or train the model again."
                )
            formation = None if data.get("formation") is None else _read_config(data["formation"])
            card = cls(**{**data, "potential": _read_config(data["potential"]), "formation": formation})
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"This is not the JSON half of a checkpoint ({str(error)[:200]}).") from error
        check_card(card)
        return card


def _read_config(data: Mapping[str, Any]) -> PotentialConfig:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return PotentialConfig(**values)


def find_model(name: str, directories: Sequence[Path] = ()) -> Path:
    """Path of the JSON half of a model's checkpoint: in ``directories`` first, then among the shipped models.

    Raises:
        ModelNotFoundError: no model of that name; the message lists those there are.
    """
    known = dict(list_models(directories))
    if name not in known:
        raise ModelNotFoundError(
            name, f"There is no model {name[:80]!r}. Use one of: {', '.join(sorted(known)) or '(none installed)'}."
        )
    return known[name]


def list_models(directories: Sequence[Path] = ()) -> Iterator[tuple[str, Path]]:
    """(name, path of the JSON half) of every model; a name found twice belongs to the earlier directory."""
    seen: set[str] = set()
    for directory in (*directories, SHIPPED_MODELS):
        for path in sorted(directory.glob("*.json")):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path.stem, path


def read_card(path: Path) -> ModelCard:
    """Read the JSON half of a checkpoint.

    Raises:
        ModelNotFoundError: the file is not there.
        CheckpointError: the file is no card of this format version.
    """
    try:
        return ModelCard.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelNotFoundError(path.stem, f"There is no checkpoint at {path}.") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not the JSON half of a checkpoint ({error}).") from error
