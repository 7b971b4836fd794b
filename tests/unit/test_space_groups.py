"""Space groups by name, and atoms on their positions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import spglib

import rm_engine.analysis.symmetry  # noqa: F401  # has spglib raise its errors
from rm_engine.errors import InputError
from rm_engine.prototypes import Arrangements, load_prototypes
from rm_engine.spec import GenerationSpec
from rm_engine.spec.space_groups import ANY, N_SPACE_GROUPS, find_names, parse_space_groups


def test_symbols_are_those_of_spglib() -> None:
    standard: dict[int, str] = {}
    for hall in range(1, 531):
        kind = spglib.get_spacegroup_type(hall)
        standard.setdefault(kind.number, kind.international_short)
    symbols = find_names("")[8:]
    assert dict(enumerate(symbols, start=1)) == standard
    assert len(symbols) == len({symbol.replace("_", "") for symbol in symbols}) == N_SPACE_GROUPS
    assert [parse_space_groups([symbol]) for symbol in symbols] == [{number} for number in range(1, 231)]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["Fm-3m"], {225}),
        (["P6_3/mmc", "P63/mmc", "194", 194], {194}),
        ([" P 6_3/m m c "], {194}),
        (["triclinic", 225], {1, 2, 225}),
        (["trigonal"], set(range(143, 168))),
        (["hexagonal"], set(range(168, 195))),
        ([ANY], set(range(1, 231))),
    ],
)
def test_names(items: list[int | str], expected: set[int]) -> None:
    assert parse_space_groups(items) == expected


@pytest.mark.parametrize("item", [0, 231, -1, "", "fm-3m", "Q1", "0", "9" * 5000, "rhombic"])
def test_others_are_refused(item: int | str) -> None:
    with pytest.raises(InputError, match="there is no such space group") as refused:
        GenerationSpec(composition="LiS2", space_groups=(item,))
    assert (refused.value.code, refused.value.field) == ("unknown_space_group", "space_groups")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "options",
    [
        {"periodic": (False, False, False)},
        {"cell": ((4.0, 0, 0), (0, 4.0, 0), (0, 0, 4.0))},
        {"periodic": (True, True, False), "cell": ((4.0, 0, 0), (0, 4.0, 0), (0, 0, 9.0))},
    ],
)
def test_only_crystals_of_free_cell_have_them(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS2", space_groups=("auto",), **options)
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", "space_groups")


def test_none_is_no_space_group() -> None:
    with pytest.raises(InputError, match="no space group"):
        GenerationSpec(composition="LiS2", space_groups=())


def test_they_are_stored_as_they_were_given() -> None:
    spec = GenerationSpec(composition="Li-S", space_groups=("cubic", 62, "P6_3/mmc"))
    assert GenerationSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec.allowed_space_groups == {62, 194, *range(195, 231)}


@pytest.fixture(scope="module")
def arrangements() -> Arrangements:
    return Arrangements(load_prototypes())


class TestArrangements:
    @pytest.mark.parametrize("group", [1, 3, 14, 47, 62, 123, 139, 166, 194, 221, 225])
    def test_every_atom_has_its_place(self, arrangements: Arrangements, group: int) -> None:
        rng = np.random.default_rng(group)
        drawn = [arrangements.draw(group, {3: 8, 8: 12}, rng) for _ in range(30)]
        found = [one for one in drawn if one is not None]
        assert found
        for assignment in found:
            layout = load_prototypes().layout_of(assignment.prototype)
            numbers = np.array(assignment.numbers)[layout.roles]
            assert {int(number): int((numbers == number).sum()) for number in set(numbers)} == {3: 8, 8: 12}
            points = layout.place(rng.random((layout.n_orbits, 3)))
            apart = points[:, None] - points
            distances = np.abs(apart - apart.round()).max(axis=2) + np.eye(len(points))
            assert distances.min() > 1e-6, "two atoms at one place"
        assert len({one.prototype.label for one in found}) > 1 or group == 1

    def test_what_does_not_fit_is_none(self, arrangements: Arrangements) -> None:
        rng = np.random.default_rng(0)
        assert arrangements.draw(227, {6: 1}, rng) is None
        assert arrangements.draw(221, {3: 1, 4: 1, 5: 1}, rng) is None, (
            "two positions for one atom each, three elements"
        )
        assert arrangements.draw(225, {3: 1, 9: 1}, rng) is not None
