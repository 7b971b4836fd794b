"""The picture of the hull shows what the hull is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rm_engine.errors import InputError
from rm_engine.figures import HullPoint, plot_hull, save_figure

REFERENCES = {"Li": -0.1, "S": -0.4, "O": -0.2, "P": 0.0}
LI_S = [
    HullPoint({"Li": 2, "S": 1}, -1.3, "known"),
    HullPoint({"Li": 4, "S": 2}, -1.3, "duplicate"),
    HullPoint({"Li": 1, "S": 2}, -0.7),
    HullPoint({"Li": 1, "S": 1}, -1.1),
    HullPoint({"S": 8}, -0.5),
]


def texts(figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts}


def test_two_elements_show_the_hull_line_and_its_formulas() -> None:
    figure = plot_hull(LI_S, REFERENCES)
    axes = figure.axes[0]
    hull = max((line.get_xydata() for line in axes.lines), key=len)
    # S8 lies lower than the reference, so it is the end member; LiS2 lies above the line from LiS to S.
    np.testing.assert_allclose(hull, [[0, 0], [1 / 3, -1.3 + 0.7 / 3], [0.5, -0.8], [1, 0]], atol=1e-12)
    assert texts(figure) == {"Li", "Li$_{2}$S", "LiS", "S"}
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["element (2)", "known (1)", "new (3)", "duplicate (1)"]


def test_failures_far_above_do_not_flatten_the_hull() -> None:
    points = LI_S * 4 + [HullPoint({"Li": 1, "S": 1}, 50.0)]
    figure = plot_hull(points, REFERENCES)
    low, high = figure.axes[0].get_ylim()
    assert low < -1.06
    assert high < 2
    assert "↑ 1 higher" in texts(figure)


def test_three_elements_show_tie_lines_between_stable_phases() -> None:
    points = [
        HullPoint({"Li": 2, "S": 1}, -1.3),
        HullPoint({"Li": 2, "O": 1}, -1.5),
        HullPoint({"Li": 2, "S": 1, "O": 4}, -1.6),
        HullPoint({"Li": 1, "S": 1, "O": 1}, -0.2),
    ]
    figure = plot_hull(points, REFERENCES)
    axes = figure.axes[0]
    assert texts(figure) == {"Li", "O", "S", "Li$_{2}$S", "Li$_{2}$O", "Li$_{2}$O$_{4}$S"}
    # Five phases on the outline and one inside, which is joined with all of them but lithium.
    inside = [4 / 7 + 0.5 / 7, np.sqrt(0.75) / 7]
    ties = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 2]
    assert sum(bool(np.isclose(tie, inside).all(axis=1).any()) for tie in ties) == 4
    colors = axes.collections[0].get_array()
    assert (np.asarray(colors) == 0).sum() == 6
    assert colors.max() > 0


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([HullPoint({"S": 4}, -0.5), HullPoint({"S": 6}, -0.45)], ["S"]),
        (
            [HullPoint({"Li": 3, "P": 1, "O": 4}, -1.0), HullPoint({"Li": 3, "P": 1, "S": 4}, -0.2)],
            ["Li$_{3}$O$_{4}$P", "Li$_{3}$PS$_{4}$"],
        ),
    ],
    ids=["one element", "four elements"],
)
def test_other_numbers_of_elements_show_strips_by_composition(points, labels) -> None:
    axes = plot_hull(points, REFERENCES).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    assert axes.get_ylim()[0] < 0


def test_files_are_the_same_every_time(tmp_path: Path) -> None:
    first = save_figure(plot_hull(LI_S, REFERENCES), tmp_path / "first")
    second = save_figure(plot_hull(LI_S, REFERENCES), tmp_path / "second")
    assert [path.suffix for path in first] == [".png", ".svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].stat().st_size > 10_000


def test_unknown_reference_energy() -> None:
    with pytest.raises(InputError, match="Li"):
        plot_hull(LI_S, {"S": -0.4})


def test_no_global_state() -> None:
    code = "import sys, rm_engine.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("energy_kind", "axis", "title"),
    [
        ("pseudo", "excess pseudo energy per atom", "Pseudo energy hull of Li–S"),
        ("formation", "excess formation energy (eV/atom)", "Formation energy hull of Li–S"),
    ],
)
def test_the_energy_is_named(energy_kind: str, axis: str, title: str) -> None:
    axes = plot_hull(LI_S, REFERENCES, energy_kind).axes[0]
    assert (axes.get_ylabel(), axes.get_title(loc="left")) == (axis, title)
