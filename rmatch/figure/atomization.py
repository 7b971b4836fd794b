"""Figure 1: pseudo energies of molecules against their atomization energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmatch.benchmark.options import find_file
from rmatch.benchmark.qm7b import DATA_FILE
from rmatch.benchmark.report import Table
from rmatch.errors import CommandError
from rmatch.figure.request import Drawing, Request

if TYPE_CHECKING:
    from rm_engine.evaluation.atomization import EnergyComparison


def default_model() -> str:
    """The model for molecules."""
    from rm_engine.spec import default_model as choose
    from rm_engine.spec.generation import MOLECULE

    return choose(MOLECULE)


def draw(request: Request) -> Drawing:
    """Every molecule of QM7b, as it is."""
    from rm_engine.evaluation.atomization import compare_energies
    from rm_engine.figures import plot_atomization
    from rm_engine.files import read_structures

    if request.data is None:
        raise CommandError(f"Figure 1 needs molecules. Give the folder that holds {DATA_FILE} as --data.")
    molecules = list(read_structures(find_file(request.data, DATA_FILE)))[: request.n]
    comparison = compare_energies(request.model, molecules)
    numbers = _numbers(comparison)
    rows = [["all, per molecule", str(len(comparison.formulas)), _plain(comparison.correlation)]]
    rows += [[f"{name}, per atom", str(part["n"]), _plain(part["r"])] for name, part in numbers["per_atom"].items()]
    title = f"Pearson's R of pseudo and atomization energies on {request.model.card.name}"
    return Drawing(
        plot_atomization(comparison, request.model.card.name), numbers, [Table(title, ("", "molecules", "R"), rows)]
    )


def _numbers(comparison: EnergyComparison) -> dict[str, Any]:
    """Correlations, and both energies of every molecule as columns."""
    from rm_engine.evaluation.atomization import correlate

    return {
        "n": len(comparison.formulas),
        "r": comparison.correlation,
        "per_atom": {
            formula: {"n": len(pseudo), "r": correlate(atomization, pseudo)}
            for formula, (atomization, pseudo) in comparison.of_common_compositions().items()
        },
        "molecules": {
            "formula": list(comparison.formulas),
            "atomization_energy_ev": comparison.atomization.round(3).tolist(),
            "pseudo_energy": comparison.pseudo.round(4).tolist(),
        },
    }


def _plain(correlation: float | None) -> str:
    return "" if correlation is None else f"{correlation:.3f}"
