"""The structures of a chemical system, from a search here or from a service, and the hull that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from rm_engine.spec import ModelCard, parse_formula

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.figure import Figure

    from rm_client import Client
    from rm_engine import GeneratedStructure
    from rm_engine.figures import HullPoint, Phases
    from rm_engine.spec.card import EnergyKind


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a chemical system.

    Attributes:
        points: the structures.
        names: what each of them is found under: its id, or the number of its sample (n_points).
        model: name of the model, whose energies they are.
        reference_energies: per atom of the elements.
        energy_kind: of all energies.
    """

    points: Sequence[HullPoint]
    names: Sequence[str]
    model: str
    reference_energies: Mapping[str, float]
    energy_kind: EnergyKind

    @cached_property
    def phases(self) -> Phases:
        """Its structures and elements with their place on the hull."""
        from rm_engine.figures import find_phases

        return find_phases(self.points, self.reference_energies, self.energy_kind)

    def plot(self) -> Figure:
        """The hull as a picture."""
        from rm_engine.figures import plot_hull

        return plot_hull(self.points, self.reference_energies, self.energy_kind)

    def to_json(self) -> dict[str, Any]:
        """All of it in plain values."""
        elements = self.phases.elements
        return {
            "system": "-".join(elements),
            "model": self.model,
            "energy_kind": self.energy_kind,
            "reference_energies": {symbol: self.reference_energies[symbol] for symbol in elements},
            "structures": self.to_rows(),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """A row for each structure, the nearest to the hull first; energies per atom, of ``energy_kind``."""
        phases = self.phases
        rows = [
            {
                "structure": name,
                "formula": formula,
                "energy_per_atom": point.energy_per_atom,
                "excess_energy_per_atom": float(excess),
                "energy_above_hull": float(above),
                "kind": point.kind,
            }
            for name, point, formula, excess, above in zip(
                self.names, self.points, phases.formulas, phases.excess, phases.above, strict=False
            )  # after the points the phases have the elements
        ]
        return sorted(rows, key=lambda row: row["energy_above_hull"])


def survey_found(found: Sequence[GeneratedStructure], card: ModelCard, known: Sequence[tuple[str, Atoms]]) -> Survey:
    """What a search here has found, compared with known structures.

    Args:
        found: what was found, lowest first.
        card: of the model.
        known: known structures with their names.
    """
    from rm_engine.analysis import Matcher, find_duplicates
    from rm_engine.figures import HullPoint

    items = [item for item in found if item.converged]
    originals = find_duplicates(
        [item.atoms for item in items],
        [item.pseudo_energy_per_atom for item in items],
        [item.ranking_energy for item in items],
    )
    matcher = Matcher(known)
    points: list[HullPoint] = []
    seen: set[int] = set()
    for index, (item, original) in enumerate(zip(items, originals, strict=True)):
        kind = index if original is None else original  # the first of a kind is the lowest by the energy that ranks
        is_known = bool(matcher.find_matches(item.atoms))
        composition = Counter(item.atoms.get_chemical_symbols())
        points.append(HullPoint(composition, item.ranking_energy, _kind(is_known=is_known, is_duplicate=kind in seen)))
        seen.add(kind)
    names = [f"sample {item.sample}" for item in items]
    return Survey(points, names, card.name, card.reference_energies, card.energy_kind)


def survey_service(client: Client, model: str, **filters: Any) -> Survey:  # noqa: ANN401  # those of the list
    """The converged structures of a model that a service has, by filters of ``GET /structures``."""
    from rm_engine.figures import HullPoint

    card = client.model(model)
    columns = client.points(model=model, converged=True, **filters)
    points = [
        HullPoint(dict(parse_formula(formula).counts), energy, _kind(is_known=known, is_duplicate=duplicate))
        for formula, energy, known, duplicate in zip(
            columns.reduced_formula, columns.energy, columns.known, columns.duplicate, strict=True
        )
    ]
    return Survey(points, columns.id, model, card.reference_energies, card.energy_kind)


def _kind(*, is_known: bool, is_duplicate: bool) -> Literal["known", "new", "duplicate"]:
    if is_duplicate:
        return "duplicate"
    return "known" if is_known else "new"
