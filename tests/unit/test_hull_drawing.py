"""The hull in the terminal, and what a search here makes of its structures."""

from __future__ import annotations

from ase.build import bulk

from rm_engine.figures import HullPoint, find_phases
from rm_engine.search import GeneratedStructure
from rm_engine.spec import find_model, read_card
from rmatch.drawing import draw_hull
from rmatch.survey import survey_found

ENDS = {"Li": 0.0, "S": 0.0, "P": 0.0, "O": 0.0}


def draw(*points: HullPoint) -> list[str]:
    return draw_hull(find_phases(points, ENDS, "pseudo"), 80).splitlines()


def line_of(lines: list[str], text: str) -> int:
    (number,) = (number for number, line in enumerate(lines) if text in line)
    return number


def test_two_elements_are_a_hull_with_its_formulas() -> None:
    known, new, copy = (
        HullPoint({"Li": 2, "S": 1}, -1.0, "known"),
        HullPoint({"Li": 1, "S": 1}, -0.1, "new"),
        HullPoint({"Li": 1, "S": 2}, -0.2, "duplicate"),
    )
    lines = draw(known, new, copy)
    assert line_of(lines, "●") == line_of(lines, "Li2S") - 1
    assert line_of(lines, "o") < line_of(lines, "·") < line_of(lines, "●")
    assert "LiS" not in "".join(lines), "what lies above the hull has a mark only"
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b[" not in "".join(lines), "no colours where no terminal is"


def test_three_elements_are_a_triangle() -> None:
    lines = draw(
        HullPoint({"Li": 3, "P": 1, "S": 4}, -1.0, "new"),
        HullPoint({"Li": 1, "P": 1, "S": 1}, 1.0, "known"),
    )
    assert line_of(lines, "■ S") < line_of(lines, "o Li3PS4") < line_of(lines, "■ Li")
    assert "■ P" in lines[line_of(lines, "■ Li")]
    assert "LiPS" not in "".join(lines)


def test_four_elements_have_no_picture() -> None:
    assert draw(HullPoint({"Li": 1, "P": 1, "S": 1, "O": 1}, -1.0)) == []


def test_what_was_found_is_marked_as_known_or_as_a_copy() -> None:
    card = read_card(find_model("diamond", ()))
    atoms = [bulk("C"), bulk("C", cubic=True), bulk("C", "fcc", a=3.0), bulk("C", "fcc", a=9.0)]
    found = [
        GeneratedStructure(sample, structure, energy, converged=sample < 3, n_steps=1)
        for sample, (structure, energy) in enumerate(zip(atoms, (1.0, 1.0, 2.0, 3.0), strict=True))
    ]
    survey = survey_found(found, card, [("diamond", bulk("C"))])
    assert survey.names == ["sample 0", "sample 1", "sample 2"], "what has not converged is no point"
    assert [point.kind for point in survey.points] == ["known", "duplicate", "new"]
    rows = survey.to_json()["structures"]
    assert [row["energy_per_atom"] for row in rows] == [1.0, 1.0, 2.0]
