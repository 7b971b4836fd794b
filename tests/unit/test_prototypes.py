"""Prototypes: orbits rebuild crystals, tables count and keep no structure, what is drawn has the symmetry asked for."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import cell_to_cellpar
from ase.spacegroup import Spacegroup, crystal
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from rm_engine.analysis import find_space_group
from rm_engine.errors import CheckpointError
from rm_engine.files import KnownCrystal, read_crystals
from rm_engine.prototypes import (
    Assignment,
    PrototypeTable,
    Role,
    assign_elements,
    draw_crystal,
    find_roles,
    find_symmetry,
    fit_prototypes,
    load_prototypes,
)
from rm_engine.prototypes.lattice import build_cell, find_lattice_system, free_parameters, measure_shape
from rm_engine.prototypes.layout import Layout
from rm_engine.prototypes.orbits import find_operations, find_site
from rm_engine.prototypes.table import SHIPPED_TABLE
from rm_engine.spec import parse_formula
from rm_engine.units import ATOMIC_NUMBERS

KNOWN = read_crystals(Path(__file__).parents[2] / "service" / "data" / "known_crystals.json")
EVERY_GROUP = range(1, 231)
NA, MG, CL, K = (ATOMIC_NUMBERS[symbol] for symbol in ("Na", "Mg", "Cl", "K"))


@pytest.fixture(scope="module")
def table() -> PrototypeTable:
    return fit_prototypes([known.to_atoms() for known in KNOWN], "known crystals")


def halite(metal: str, halogen: str, a: float = 5.6) -> Atoms:
    return bulk(metal + halogen, "rocksalt", a=a)


def rutile(x: float = 0.305, a: float = 4.59, c: float = 2.96) -> Atoms:
    return crystal(["Ti", "O"], [(0, 0, 0), (x, x, 0)], spacegroup=136, cellpar=[a, a, c, 90, 90, 90])


def is_same_crystal(first: Atoms, second: Atoms) -> bool:
    """Whether they agree within a thousandth, without any change of scale."""
    matcher = StructureMatcher(1e-3, 1e-3, 0.1, primitive_cell=False, scale=False)
    return matcher.fit(*(AseAtomsAdaptor.get_structure(atoms) for atoms in (first, second)))


def residue(points: NDArray[np.float64], all_points: NDArray[np.float64]) -> float:
    """The largest distance, in fractions of the cell, of any of the points to its nearest one among all."""
    apart = points[:, None] - all_points
    return float(np.abs(apart - np.round(apart)).max(axis=-1).min(axis=1).max())


def is_invariant(atoms: Atoms, space_group: int) -> bool:
    """Whether every operation of a group maps the crystal, in the group's own primitive cell, onto itself."""
    operations = find_operations(space_group)
    basis = np.linalg.inv(operations.primitive)
    points = atoms.get_scaled_positions() @ operations.primitive
    for number in set(atoms.numbers):
        own = points[atoms.numbers == number]
        images = np.concatenate([operations.images(point) for point in own])
        if residue(images @ basis, own @ basis) > 1e-5:
            return False
    conventional = np.linalg.inv(operations.primitive) @ atoms.cell.array
    metric = conventional @ conventional.T
    turned = np.einsum("nji,jk,nkl->nil", operations.rotations, metric, operations.rotations)
    return bool(np.allclose(turned, metric, atol=1e-4))


class TestOperations:
    @pytest.mark.parametrize("space_group", EVERY_GROUP)
    def test_they_are_a_group_of_the_right_size(self, space_group: int) -> None:
        operations = find_operations(space_group)
        linear, shifts = operations.rotations, operations.translations
        products = np.einsum("aij,bjk->abik", linear, linear).reshape(-1, 9)
        moved = (np.einsum("aij,bj->abi", linear, shifts) + shifts[:, None]).reshape(-1, 3)
        known = _encode(linear.reshape(-1, 9), shifts)
        assert len(set(known)) == len(known) == len(Spacegroup(space_group).get_symop())
        assert set(_encode(products, moved)) == set(known)

    @pytest.mark.parametrize("space_group", EVERY_GROUP)
    def test_the_primitive_cell_holds_one_of_the_centrings(self, space_group: int) -> None:
        operations = find_operations(space_group)
        letter = Spacegroup(space_group).symbol[0]
        assert operations.n_centrings == {"P": 1, "A": 2, "B": 2, "C": 2, "I": 2, "R": 3, "F": 4}[letter]
        assert np.linalg.det(operations.primitive) == pytest.approx(1 / operations.n_centrings)


def _encode(rotations: NDArray[np.float64], translations: NDArray[np.float64]) -> list[bytes]:
    """Operations as text, translations modulo the lattice."""
    rows = np.hstack([np.round(rotations), np.round(translations * 24) % 24]).astype(np.int8)
    return [row.tobytes() for row in rows]


class TestOrbits:
    @pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
    def test_orbits_rebuild_the_crystal(self, known: KnownCrystal) -> None:
        atoms = known.to_atoms()
        symmetry = find_symmetry(atoms)
        group = symmetry.space_group
        layouts = [Layout.of(group, [[find_site(group, orbit)]]) for orbit in symmetry.orbits]
        orbits = [layout.place(orbit.point[None]) for layout, orbit in zip(layouts, symmetry.orbits, strict=True)]
        assert group == known.space_group
        assert [len(points) for points in orbits] == [orbit.n_atoms for orbit in symmetry.orbits]
        numbers = [orbit.number for orbit in symmetry.orbits for _ in range(orbit.n_atoms)]
        cell = find_operations(group).primitive @ symmetry.cell
        rebuilt = Atoms(numbers, cell=cell, scaled_positions=np.vstack(orbits), pbc=True)
        assert is_same_crystal(rebuilt, atoms)
        assert is_same_crystal(symmetry.primitive, atoms)

    def test_every_layout_of_the_shipped_table_has_the_atoms_of_its_roles(self) -> None:
        table = load_prototypes()
        for prototype in (prototype for family in table.prototypes.values() for prototype in family):
            roles = Counter(table.layout_of(prototype).roles.tolist())
            assert tuple(roles[role] for role in sorted(roles)) == prototype.pattern, prototype.label

    def test_free_coordinates_are_counted(self) -> None:
        for site in load_prototypes().sites.values():
            assert site.n_free == np.linalg.matrix_rank(site.rotation, tol=0.1)

    def test_what_is_remembered_of_a_crystal_is_that_of_its_content(self) -> None:
        first, second = rutile(), rutile(x=0.31)
        again = find_symmetry(first.copy())
        assert again is find_symmetry(first)
        assert find_symmetry(second) is not again
        first.numbers[0] = ATOMIC_NUMBERS["Sn"]
        assert find_symmetry(first).space_group != again.space_group

    def test_what_has_no_symmetry_is_an_error(self) -> None:
        with pytest.raises(ValueError):
            find_symmetry(Atoms("Li2", [[0, 0, 0], [0, 0, 0.001]], cell=np.eye(3) * 4, pbc=True))


class TestDrawnCrystals:
    @pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
    def test_they_have_the_symmetry_content_and_volume_asked_for(self, known: KnownCrystal) -> None:
        atoms = known.to_atoms()
        table = fit_prototypes([atoms], "one crystal")
        (assignment,) = table.rank(parse_formula(atoms.get_chemical_formula()))
        for seed in range(3):
            drawn = draw_crystal(table, assignment, 100.0, np.random.default_rng(seed))
            assert Counter(drawn.numbers.tolist()) == Counter(atoms.numbers.tolist())
            assert drawn.get_volume() == pytest.approx(100)
            assert is_invariant(drawn, known.space_group)

    def test_one_prototype_of_every_group_in_the_shipped_table(self) -> None:
        """Free parameters are general: the group found again is the one asked for, but where they chance to be
        special.
        """
        table = load_prototypes()
        most_free = {}
        for prototype in (prototype for family in table.prototypes.values() for prototype in family):
            if prototype.n_known >= most_free.get(prototype.space_group, prototype).n_known:
                most_free[prototype.space_group] = prototype
        found = {}
        for group, prototype in most_free.items():
            elements = tuple(next(iter(seen)) for seen in prototype.elements)
            volume = 20.0 * sum(prototype.pattern)
            drawn = draw_crystal(table, Assignment(prototype, elements, 0.0), volume, np.random.default_rng(group))
            assert len(drawn) == sum(prototype.pattern)
            assert drawn.get_volume() == pytest.approx(volume)
            assert is_invariant(drawn, group), prototype.label
            found[group] = find_space_group(drawn, symprec=1e-3).number
        assert len(found) > 150
        assert np.mean([group == number for group, number in found.items()]) > 0.9


class TestShapes:
    @pytest.mark.parametrize("space_group", [1, 2, 14, 62, 136, 166, 194, 225])
    def test_building_and_measuring_are_inverse(self, space_group: int) -> None:
        rng = np.random.default_rng(space_group)
        shape = 0.3 * rng.standard_normal(len(free_parameters(space_group)))
        cell = build_cell(space_group, shape, 80.0)
        assert np.linalg.det(cell) == pytest.approx(80)
        assert measure_shape(space_group, cell) == pytest.approx(shape.tolist())

    @pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
    def test_conventional_cells_have_no_other_shape(self, known: KnownCrystal) -> None:
        cell = find_symmetry(known.to_atoms()).cell
        rebuilt = build_cell(known.space_group, measure_shape(known.space_group, cell), np.linalg.det(cell))
        np.testing.assert_allclose(cell_to_cellpar(rebuilt), cell_to_cellpar(cell), rtol=1e-4)

    def test_every_group_has_a_lattice_system(self) -> None:
        systems = Counter(find_lattice_system(group) for group in EVERY_GROUP)
        assert systems == {
            "triclinic": 2, "monoclinic": 13, "orthorhombic": 59, "tetragonal": 68, "hexagonal": 52, "cubic": 36,
        }  # fmt: skip

    def test_angles_that_close_no_cell(self) -> None:
        with pytest.raises(ValueError, match="close no cell"):
            build_cell(1, [0, 0, 0.9, -0.9, 0.9], 50.0)


class TestRoles:
    def test_alike_roles_go_by_electronegativity(self) -> None:
        """Both elements of wurtzite are on two sites b."""
        for name in ("ZnS", "SZn"):
            roles, numbers = find_roles(find_symmetry(bulk(name, "wurtzite", a=3.82, c=6.26)).orbits)
            assert roles == (Role(2, "b"), Role(2, "b"))
            assert numbers == (ATOMIC_NUMBERS["Zn"], ATOMIC_NUMBERS["S"])

    def test_the_smaller_role_comes_first(self) -> None:
        roles, numbers = find_roles(find_symmetry(rutile()).orbits)
        assert [role.n_atoms for role in roles] == [2, 4]
        assert numbers == (ATOMIC_NUMBERS["Ti"], ATOMIC_NUMBERS["O"])

    def test_elements_of_equal_count_change_places(self) -> None:
        assert set(assign_elements({NA: 1, CL: 3, K: 1})) == {(NA, K, CL), (K, NA, CL)}
        assert len(list(assign_elements(dict.fromkeys(range(1, 9), 1)))) == 120  # of 40,320


class TestFitting:
    def test_what_is_counted(self) -> None:
        crystals = [
            halite("Na", "Cl"),
            halite("K", "Cl", 6.3),
            halite("Na", "F", 4.6),
            halite("Na", "Cl", 5.5),
            rutile(),
        ]
        unreadable = Atoms("Li2", [[0, 0, 0], [0, 0, 0.001]], cell=np.eye(3) * 4, pbc=True)
        table = fit_prototypes([*crystals, unreadable], "five")
        assert table.n_known == 5
        assert set(table.prototypes) == {(1, 1), (2, 4)}
        (salt,) = table.prototypes[1, 1]
        assert (salt.label, salt.n_known, salt.pattern) == ("225 a b", 4, (1, 1))
        players = {frozenset(seen.items()) for seen in salt.elements}
        assert players == {frozenset({(NA, 3), (K, 1)}), frozenset({(CL, 3), (9, 1)})}
        assert table.count_free_parameters(salt) == 0
        (titania,) = table.prototypes[2, 4]
        assert titania.space_group == 136
        assert table.count_free_parameters(titania) == 2  # c/a, and x of oxygen

    def test_supercells_count_as_their_primitive_cells(self) -> None:
        primitive, supercell = rutile(), rutile().repeat((1, 2, 1))
        first, second = (fit_prototypes([atoms], "").prototypes for atoms in (primitive, supercell))
        assert first == second

    def test_exchanges_are_those_in_crystals_that_are_otherwise_the_same(self) -> None:
        crystals = [halite("Na", "Cl"), halite("K", "Cl", 6.3), halite("Mg", "O", 4.2)]
        exchanges = fit_prototypes(crystals, "").exchanges
        assert {(int(i), int(j)) for i, j in zip(*np.nonzero(exchanges), strict=True)} == {(NA, K), (K, NA)}

    def test_nothing_of_a_single_structure_is_kept(self) -> None:
        """Coordinates and cells may be anything: the tables are the same to the last byte."""
        tables = [fit_prototypes([rutile(x, a, c)], "").to_bytes() for x, a, c in [(0.305, 4.6, 3.0), (0.29, 5.2, 3.1)]]
        assert tables[0] == tables[1]

    def test_shapes_are_means_of_five_and_more(self) -> None:
        longer = [rutile(a=4.6, c=4.6 * ratio) for ratio in (0.60, 0.62, 0.64, 0.66, 0.68)]
        ((four,),), ((five,),) = (fit_prototypes(longer[:n], "").prototypes.values() for n in (4, 5))
        logs = np.log([0.60, 0.62, 0.64, 0.66, 0.68])
        assert four.shape is None
        assert five.shape is not None
        assert five.shape.mean == pytest.approx((logs.mean(),), abs=1e-4)
        assert five.shape.deviation == pytest.approx((logs.std(),), abs=1e-4)


class TestFiles:
    def test_what_is_written_is_read(self, table: PrototypeTable) -> None:
        again = PrototypeTable.from_bytes(table.to_bytes())
        assert again.prototypes == table.prototypes
        assert again.shapes == table.shapes
        assert again.source == "known crystals"
        np.testing.assert_allclose(again.exchanges, table.exchanges, atol=1e-3)
        assert again.sites.keys() == table.sites.keys()
        assert all(np.allclose(again.sites[key].rotation, site.rotation) for key, site in table.sites.items())
        assert again.to_bytes() == table.to_bytes()

    @pytest.mark.parametrize("damage", ["cut", "flipped", "text", "version", "field", "list"])
    def test_damaged_files_are_refused(self, table: PrototypeTable, damage: str) -> None:
        whole = table.to_bytes()
        data = json.loads(gzip.decompress(whole))
        damaged = {
            "cut": whole[: len(whole) // 2],
            "flipped": whole[:200] + bytes([whole[200] ^ 0xFF]) + whole[201:],
            "text": b"{}",
            "version": gzip.compress(json.dumps({**data, "format_version": 99}).encode()),
            "field": gzip.compress(json.dumps({**data, "sites": [[1, "a", [1.0]]]}).encode()),
            "list": gzip.compress(b"[]"),
        }[damage]
        with pytest.raises(CheckpointError, match="Fit it again"):
            PrototypeTable.from_bytes(damaged)

    def test_the_shipped_table_says_what_was_counted(self) -> None:
        table = load_prototypes()
        assert table.source.startswith("train split of MP-20")
        assert table.n_known > 25_000
        assert table.to_bytes() == SHIPPED_TABLE.read_bytes()


class TestRanking:
    @pytest.mark.parametrize(
        ("formula", "label", "roles"),
        [
            ("KZnF3", "221 a b c", "K Zn F"),
            ("NaCl", "225 a b", "Na Cl"),
            ("ClNa", "225 a b", "Na Cl"),
            ("KBr", "225 a b", "K Br"),
            ("GaAs", "216 a c", "Ga As"),
            ("CaF2", "225 a c", "Ca F"),
        ],
    )
    def test_the_known_prototype_comes_first(self, formula: str, label: str, roles: str) -> None:
        best = load_prototypes().rank(parse_formula(formula))[0]
        assert best.prototype.label == label
        assert best.numbers == tuple(ATOMIC_NUMBERS[symbol] for symbol in roles.split())

    def test_scores_fall_and_every_element_is_used_as_often_as_it_occurs(self) -> None:
        formula = parse_formula("K2Zn2F6")
        ranked = load_prototypes().rank(formula)
        scores = [assignment.score for assignment in ranked]
        assert scores == sorted(scores, reverse=True)
        for prototype, numbers, _ in ranked:
            counts = {number: role.n_atoms for number, role in zip(numbers, prototype.roles, strict=True)}
            assert counts == {ATOMIC_NUMBERS[symbol]: count for symbol, count in formula.counts}

    def test_a_pattern_that_nothing_has_gets_nothing(self) -> None:
        assert load_prototypes().rank(parse_formula("LiH11C13")) == []

    def test_exchange_probabilities(self) -> None:
        probabilities = load_prototypes().exchange_probabilities
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (probabilities >= 0).all()
        assert probabilities[NA, K] > 100 * probabilities[NA, CL]
        assert probabilities[NA, K] > probabilities[NA, MG]
        assert probabilities[K, NA] > 100 * probabilities[CL, NA]
