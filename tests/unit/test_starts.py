"""Where samples start: shares and turns, known structures with other elements, Wyckoff positions; how models rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal

import rm_engine
from rm_engine.analysis import Matcher, find_space_group
from rm_engine.checkpoint import Model, load_model, save_model
from rm_engine.errors import InputError
from rm_engine.potential import CACE
from rm_engine.search import Start, Starts, generate_samples
from rm_engine.search.turns import Turns
from rm_engine.spec import USUAL_MIX, GenerationSpec, StartKind, StartMix
from rm_engine.structure import StructureBatch

REFERENCES, WYCKOFF, RANDOM = StartMix(references=1), StartMix(wyckoff=1), StartMix(random=1)
HALITE = ("halite", bulk("NaCl", "rocksalt", a=5.64))
CSCL = ("caesium chloride", bulk("CsCl", "cesiumchloride", a=4.12))
TITANIA = (
    "rutile",
    crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=[4.59, 4.59, 2.96, 90, 90, 90]),
)


def perovskite(large: str, small: str, anion: str, a: float) -> Atoms:
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    return crystal([large, small, anion], sites, spacegroup=221, cellpar=[a, a, a, 90, 90, 90])


TAUSONITE = ("tausonite", perovskite("Sr", "Ti", "O", 3.9))


@pytest.fixture(scope="module")
def mp20() -> Model:
    return rm_engine.load_model("mp20", device="cpu")


def spec_of(composition: str, starts: StartMix | None, **options: object) -> GenerationSpec:
    return GenerationSpec(composition=composition, starts=starts, **{"formula_units": (1,), **options})


def draw(
    model: Model, spec: GenerationSpec, n: int, references: Sequence[tuple[str, Atoms]] = (), attempt: int = 0
) -> list[Start]:
    """The starts of the first samples."""
    starts = Starts(spec, model.card, references)
    return [starts.draw(sample, attempt) for sample in range(n)]


def is_same(first: Start, second: Start) -> bool:
    """The same to the last bit."""
    return (
        (first.kind, first.origin) == (second.kind, second.origin)
        and first.atoms == second.atoms
        and np.array_equal(first.atoms.cell.array, second.atoms.cell.array)
    )


class TestShares:
    @pytest.mark.parametrize("mix", [USUAL_MIX, StartMix(references=1, wyckoff=1), StartMix(wyckoff=0.7, random=0.1)])
    def test_they_hold_at_any_number(self, mix: StartMix) -> None:
        shares: dict[StartKind, float] = {"references": mix.references, "wyckoff": mix.wyckoff, "random": mix.random}
        total = sum(shares.values())
        kinds = mix.kinds(200)
        for n in range(1, 201):
            counts = Counter(kinds[:n])
            assert all(abs(counts[kind] - n * share / total) < 1 for kind, share in shares.items())
        assert kinds[:7] == mix.kinds(7)

    def test_only_ratios_count(self) -> None:
        assert StartMix(references=0.5, random=0.25).kinds(30) == StartMix(references=2, random=1).kinds(30)

    @pytest.mark.parametrize(
        ("shares", "field"),
        [
            ({"wyckoff": -1.0}, "starts.wyckoff"),
            ({"random": float("nan")}, "starts.random"),
            ({"references": float("inf")}, "starts.references"),
            ({}, "starts"),
        ],
    )
    def test_what_is_no_share_is_refused(self, shares: dict[str, float], field: str) -> None:
        with pytest.raises(InputError) as caught:
            StartMix(**shares)
        assert (caught.value.code, caught.value.field) == ("out_of_range", field)

    @pytest.mark.parametrize("units", [None, (1,), (1, 2, 1), (4, 2, 2, 1)])
    def test_turns_count_samples_of_the_same_formula(self, units: tuple[int, ...] | None) -> None:
        spec = GenerationSpec(composition="LiS2", formula_units=units)
        for sample in range(40):
            before = [other for other in range(sample) if spec.formula_of(other) == spec.formula_of(sample)]
            assert spec.turn_of(sample) == len(before)

    @pytest.mark.parametrize(
        "options",
        [
            {"cell": ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))},
            {"periodic": (False, False, False)},
        ],
    )
    @pytest.mark.parametrize("mix", [REFERENCES, WYCKOFF])
    def test_informed_starts_bring_their_own_cell(self, options: dict[str, object], mix: StartMix) -> None:
        with pytest.raises(InputError) as caught:
            spec_of("LiF", mix, **options)
        assert (caught.value.code, caught.value.field) == ("conflicting_fields", "starts")
        assert spec_of("LiF", RANDOM, **options).starts == RANDOM

    def test_without_a_choice_starts_are_random(self, mp20: Model) -> None:
        cell = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))
        assert {start.kind for start in draw(mp20, spec_of("LiF", None, cell=cell), 5, [HALITE])} == {"random"}

    def test_the_usual_mix_falls_back_on_what_there_is(self, mp20: Model) -> None:
        spec = spec_of("KBr", None)
        with_references, without = draw(mp20, spec, 10, [HALITE]), draw(mp20, spec, 10)
        assert Counter(start.kind for start in with_references) == {"references": 5, "wyckoff": 4, "random": 1}
        assert Counter(start.kind for start in without) == {"wyckoff": 9, "random": 1}


class TestTurns:
    def test_sainte_lague(self) -> None:
        """The textbook's election: 53,000, 24,000 and 23,000 votes, seven seats: 3, 2, 2."""
        turns = Turns("ABC", [53, 24, 23])
        order = [turns.of(turn) for turn in range(7)]
        assert "".join(item for item, _ in order) == "ABCAABC"

    def test_an_item_knows_how_often_it_was_called(self) -> None:
        turns = Turns("AB", [1, 1])
        assert [turns.of(turn) for turn in (5, 0, 3)] == [("B", 2), ("A", 0), ("B", 1)]

    def test_what_gains_nothing_from_a_second_turn_waits(self) -> None:
        turns = Turns("AB", [100, 1], once=[True, False])
        assert "".join(turns.of(turn)[0] for turn in range(6)) == "ABBBBB"


class TestSubstitution:
    def test_elements_and_volume_follow(self, mp20: Model) -> None:
        """Potassium bromide is as much denser than the regression as halite is."""
        spec = spec_of("KBr", REFERENCES)
        volumes = mp20.card.volumes
        ratio = HALITE[1].get_volume() / (volumes["Na"] + volumes["Cl"])
        for start in draw(mp20, spec, 8, [HALITE]):
            assert (start.kind, start.origin) == ("references", "halite")
            assert sorted(start.atoms.symbols) == ["Br", "K"]
            regressed = volumes["K"] + volumes["Br"]
            assert start.atoms.get_volume() / regressed == pytest.approx(ratio, rel=0.1001)
            assert find_space_group(start.atoms, symprec=0.6).number == 225

    def test_the_volume_asked_for_holds(self, mp20: Model) -> None:
        (start,) = draw(mp20, spec_of("KBr", REFERENCES, volume_per_atom=(30, 30)), 1, [HALITE])
        assert start.atoms.get_volume() == pytest.approx(60)

    def test_elements_go_to_the_likely_sites(self, mp20: Model) -> None:
        (start,) = draw(mp20, spec_of("ZnKF3", REFERENCES), 1, [TAUSONITE])
        i, j = neighbor_list("ij", start.atoms, 2.6)
        around_zinc = start.atoms.symbols[j[start.atoms.symbols[i] == "Zn"]]
        assert Counter(around_zinc) == {"F": 6}

    def test_conventional_cells_become_primitive(self, mp20: Model) -> None:
        whole = ("whole", bulk("NaCl", "rocksalt", a=5.64, cubic=True))
        (start,) = draw(mp20, spec_of("KBr", REFERENCES), 1, [whole])
        assert (len(start.atoms), start.origin) == (2, "whole")
        (start,) = draw(mp20, spec_of("KBr", REFERENCES, formula_units=(2,)), 1, [whole])
        assert start.kind != "references"

    def test_other_patterns_are_passed_over(self, mp20: Model) -> None:
        found = draw(mp20, spec_of("KBr", REFERENCES), 3, [TITANIA, ("iron", bulk("Fe"))])
        assert "references" not in {start.kind for start in found}
        molecule = ("molecule", Atoms("NaCl", [[0, 0, 0], [0, 0, 2.4]]))
        assert draw(mp20, spec_of("KBr", REFERENCES), 1, [molecule])[0].kind != "references"

    def test_families_of_one_prototype_take_turns(self, mp20: Model) -> None:
        known = [HALITE, ("sylvite", bulk("KCl", "rocksalt", a=6.29)), CSCL]
        origins = [start.origin for start in draw(mp20, spec_of("RbBr", REFERENCES), 6, known)]
        assert set(origins) == {"halite", "sylvite", "caesium chloride"}
        assert origins.index("caesium chloride") < 3


class TestDraws:
    @pytest.mark.parametrize("mix", [REFERENCES, WYCKOFF, RANDOM, USUAL_MIX])
    def test_seed_sample_and_attempt_say_it_all(self, mp20: Model, mix: StartMix) -> None:
        spec = spec_of("KZnF3", mix)
        known = [TAUSONITE]
        first, again = draw(mp20, spec, 6, known), draw(mp20, replace(spec, n=7), 6, known)
        alone = Starts(spec, mp20.card, known).draw(5)
        assert all(is_same(one, other) for one, other in zip(first, again, strict=True))
        assert is_same(alone, first[5])
        assert not is_same(first[0], draw(mp20, replace(spec, seed=1), 1, known)[0])
        assert not is_same(first[0], draw(mp20, spec, 1, known, attempt=1)[0])

    def test_after_three_attempts_starts_are_random(self, mp20: Model) -> None:
        spec = spec_of("KBr", REFERENCES)
        kinds = [draw(mp20, spec, 1, [HALITE], attempt)[0].kind for attempt in range(5)]
        assert kinds == ["references"] * 3 + ["random"] * 2

    @pytest.mark.parametrize("mix", [REFERENCES, WYCKOFF])
    def test_the_distance_asked_for_holds(self, mp20: Model, mix: StartMix) -> None:
        spec = spec_of("Li2S", mix, min_distance=2.3)
        known = [("antifluorite", bulk("CaF2", "fluorite", a=5.46))]
        found = draw(mp20, spec, 12, known)
        assert any(start.kind != "random" for start in found)
        assert min(neighbor_list("d", start.atoms, 6.0).min() for start in found) >= 2.3

    def test_wyckoff_starts_say_where_they_are_from(self, mp20: Model) -> None:
        for start in draw(mp20, spec_of("KZnF3", WYCKOFF), 8):
            assert start.kind == "wyckoff"
            assert start.origin is not None
            group = int(start.origin.split()[0])
            assert find_space_group(start.atoms, symprec=1e-3).number >= group

    def test_random_starts_have_no_origin(self, mp20: Model) -> None:
        assert draw(mp20, spec_of("KZnF3", RANDOM), 1)[0].origin is None

    def test_a_pattern_that_no_crystal_has_starts_at_random(self, mp20: Model) -> None:
        assert draw(mp20, spec_of("LiH11C13", WYCKOFF), 1)[0].kind == "random"


class TestSearch:
    def test_the_perovskite_of_potassium_zinc_fluoride(self, mp20: Model) -> None:
        found = rm_engine.generate(mp20, "KZnF3", n=4, formula_units=1, starts=WYCKOFF)
        ideal = perovskite("K", "Zn", "F", 4.06)
        matching = [item for item in found if Matcher([("ideal", ideal)]).find_matches(item.atoms)]
        assert matching
        assert {item.start for item in found} == {"wyckoff"}
        assert any((item.start_origin or "").startswith("221 ") for item in matching)

    def test_known_structures_are_taken_with_keys_and_without(self, mp20: Model) -> None:
        for references, key in (([HALITE], "halite"), ([TITANIA[1], HALITE[1]], "1")):
            (found,) = rm_engine.generate(
                mp20, "KBr", n=1, formula_units=1, starts=REFERENCES, references=references, max_steps=300
            )
            assert (found.start, found.start_origin) == ("references", key)
            assert found.space_group is not None
            assert found.space_group.number == 225


class TestFormationEnergies:
    @pytest.fixture(scope="class")
    @staticmethod
    def both(mp20: Model) -> Model:
        """The crystal model with a second potential of random weights."""
        torch.manual_seed(1)
        config = replace(mp20.card.potential, n_embedding=2, readout_hidden=(4,), l_max=2, nu_max=2, core_contact=0.0)
        return replace(mp20, card=replace(mp20.card, name="both", formation=config), formation=CACE(config))

    def test_they_rank(self, both: Model) -> None:
        found = rm_engine.generate(both, "LiF", n=6, formula_units=1, starts=RANDOM, max_steps=20)
        estimates = [item.formation_energy_per_atom for item in found]
        assert all(estimate is not None for estimate in estimates)
        assert estimates == [item.ranking_energy for item in found] == sorted(estimates)
        pseudo = [item.pseudo_energy_per_atom for item in found]
        assert pseudo != sorted(pseudo)
        batch = StructureBatch.from_atoms([found[0].atoms], dtype=torch.float32)
        assert both.estimate_formation_energies(batch).item() == pytest.approx(estimates[0], abs=1e-4)

    def test_other_models_estimate_none(self, mp20: Model) -> None:
        result = generate_samples(mp20, spec_of("LiF", RANDOM, max_steps=3), range(1))
        assert result.structures[0].formation_energy_per_atom is None
        assert mp20.card.energy_kind == "pseudo"

    def test_both_potentials_are_saved(self, both: Model, tmp_path: Path) -> None:
        save_model(both, tmp_path)
        again = load_model("both", directories=[tmp_path], device="cpu")
        assert again.card == both.card
        assert again.card.energy_kind == "formation"
        for ours, theirs in ((both.potential, again.potential), (both.formation, again.formation)):
            first, second = ours.state_dict(), theirs.state_dict()
            assert first.keys() == second.keys()
            assert all(torch.equal(first[name], second[name]) for name in first)
