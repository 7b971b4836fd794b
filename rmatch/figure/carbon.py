"""Figure 5: carbon at many volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmatch.benchmark.report import Table
from rmatch.errors import CommandError
from rmatch.figure.request import Drawing, Request

if TYPE_CHECKING:
    from rm_engine.evaluation.carbon import CarbonSurvey

N_STARTS = 4000
"""Those of the paper: five sizes, 100 volumes, eight each."""
_COLUMNS = ("form", "structures", "share %", "lowest energy", "at Å³ per atom")


def default_model() -> str:
    """The model that was trained on one structure of diamond."""
    return "diamond"


def draw(request: Request) -> Drawing:
    """Random starts relaxed at fixed volumes, told apart by form."""
    from rm_engine.evaluation.carbon import survey_carbon
    from rm_engine.figures import plot_carbon

    n = request.n or N_STARTS
    survey = survey_carbon(request.model, n, seed=request.seed, on_progress=lambda done: request.report(done, n))
    if not survey.points:
        raise CommandError(
            f"None of {n} starts gave a structure ({survey.failures}). Try another model or more starts."
        )
    rows = [
        [
            form,
            str(survey.counts[form]),
            f"{100 * survey.counts[form] / len(survey.points):.1f}",
            f"{point.pseudo_energy_per_atom:.5f}",
            f"{point.volume_per_atom:.3f}",
        ]
        for form, point in survey.lowest.items()
    ]
    title = f"Carbon on {request.model.card.name}: {len(survey.points)} structures of {survey.n_starts} starts"
    return Drawing(
        plot_carbon(survey, request.model.card.name),
        _numbers(survey),
        [Table(title, _COLUMNS, rows)],
        [f"Cubic diamond is the lowest form at {_count_cubic(survey)} of {len(survey.lowest_by_volume)} volumes."],
    )


def _count_cubic(survey: CarbonSurvey) -> int:
    from rm_engine.analysis import CarbonForm

    return sum(point.form is CarbonForm.CUBIC_DIAMOND for point in survey.lowest_by_volume.values())


def _numbers(survey: CarbonSurvey) -> dict[str, Any]:
    """Counts, the lowest structures, and every structure as columns."""
    points = survey.points
    return {
        "n_starts": survey.n_starts,
        "failures": survey.failures,
        "counts": survey.counts,
        "n_volumes": len(survey.lowest_by_volume),
        "n_volumes_where_cubic_diamond_is_lowest": _count_cubic(survey),
        "lowest": {
            form: {"pseudo_energy_per_atom": point.pseudo_energy_per_atom, "volume_per_atom": point.volume_per_atom}
            for form, point in survey.lowest.items()
        },
        "structures": {
            "n_atoms": [point.n_atoms for point in points],
            "volume_per_atom": [point.volume_per_atom for point in points],
            "pseudo_energy_per_atom": [round(point.pseudo_energy_per_atom, 5) for point in points],
            "form": [point.form for point in points],
        },
    }
