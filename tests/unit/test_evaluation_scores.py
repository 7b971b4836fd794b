"""Scores of hand-made records whose answer is known."""

from __future__ import annotations

import math

import pytest

from rm_engine.evaluation.breakdown import split_by_start, spread_over_seeds, summarize_targets
from rm_engine.evaluation.intervals import estimate_mean, estimate_median, estimate_share, wilson_interval
from rm_engine.evaluation.scores import recall_polymorphs, score, split_by_size
from rm_engine.evaluation.search_records import SampleRecord, SearchRecord


def sample(number, energy, matches=None, *, start="random", formation=None, converged=True):
    return SampleRecord(
        sample=number,
        start=start,
        pseudo_energy_per_atom=energy,
        formation_energy_per_atom=formation,
        converged=converged,
        n_steps=10,
        matches=matches or {},
    )


def record(target, *samples, n_samples=4, seed=0, formula="NaCl", n_atoms=2, polymorphs=(), **changes):
    return SearchRecord(
        configuration="a model",
        target=target,
        label=target.upper(),
        reduced_formula=formula,
        n_atoms=n_atoms,
        polymorphs=polymorphs,
        seed=seed,
        n_samples=n_samples,
        samples=samples,
        cpu_seconds=2.0,
        **changes,
    )


@pytest.mark.parametrize(
    ("n_true", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_the_published_ones(n_true, n, low, high):
    """R. G. Newcombe, Stat. Med. 17, 857 (1998), table I, method 3."""
    assert wilson_interval(n_true, n) == pytest.approx((low, high), abs=6e-5)


def test_wilson_intervals_mirror_and_hold_the_share():
    low, high = wilson_interval(20, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1), abs=6e-5)
    assert low < 1 <= high


def test_bootstrap_is_seeded_and_close_to_the_normal_interval():
    values = [float(k % 10) for k in range(400)]
    estimate = estimate_mean(values)
    half = 1.96 * math.sqrt(8.25 / 400)
    assert estimate == estimate_mean(values)
    assert estimate.value == 4.5
    assert (estimate.low, estimate.high) == pytest.approx((4.5 - half, 4.5 + half), abs=0.03)
    assert estimate_median(values).value == 4.5


def test_whole_outcomes_get_the_interval_of_a_share():
    assert estimate_mean([1.0, 1.0, 1.0]) == estimate_share([True] * 3)
    assert estimate_mean([1.0, 1.0, 1.0]).low < 0.5


def test_nothing_measured_is_nothing():
    assert estimate_mean([]).n == estimate_share([]).n == 0
    assert math.isnan(estimate_median([]).value)


def test_scores_of_known_records():
    found_lowest = record("a", sample(0, -2.0, {"a": 0.1}), sample(1, -1.0, {"a": 0.3}), sample(2, 0.0), sample(3, 1.0))
    found_second = record("b", sample(0, -2.0), sample(1, -1.0, {"b": 0.2}, converged=False), n_atoms=6)
    missed = record("c", sample(0, -1.0), n_atoms=13)
    unknown = record("d", reason="the model has not learned Xe", n_atoms=13)
    scores = score([found_lowest, found_second, missed, unknown])
    assert scores.n_targets == 4
    assert scores.match.value == 2 / 4
    assert scores.match_at_1.value == pytest.approx((2 / 4 + 1 / 4) / 4)
    assert scores.lowest.value == scores.lowest_pseudo.value == 1 / 4
    assert scores.first_rank.value == 1.5
    assert scores.first_rank.n == 2
    assert scores.rms_best.value == pytest.approx(0.15)
    assert scores.rms.value == pytest.approx(0.2)
    assert scores.converged.value == pytest.approx((1 + 0.5 + 1) / 3)
    assert scores.failed.value == pytest.approx((0 + 2 / 4 + 3 / 4 + 1) / 4)
    assert scores.cpu_seconds.value == 0.5


def test_formation_energies_rank_where_there_are_any():
    search = record("a", sample(0, -1.0, {"a": 0.1}, formation=-0.5), sample(1, -2.0, formation=-0.2))
    scores = score([search])
    assert scores.lowest.value == 1
    assert scores.lowest_pseudo.value == 0
    assert scores.first_rank.value == 1


def test_seeds_of_a_target_are_averaged_first():
    searches = [
        record("a", sample(0, 0.0, {"a": 0.1}), seed=0),
        record("a", sample(0, 0.0), seed=1),
        record("b", sample(0, 0.0, {"b": 0.1}), seed=0, formula="CsCl"),
        record("b", sample(0, 0.0, {"b": 0.1}), seed=1, formula="CsCl"),
    ]
    scores = score(searches)
    assert scores.match.value == 0.75
    assert scores.match.n == 2
    spread = spread_over_seeds(searches)
    assert spread.found == {0: 2, 1: 1}
    assert spread.mean == 1.5
    assert spread.deviation == pytest.approx(math.sqrt(0.5))
    first, second = summarize_targets(searches)
    assert (first.label, first.found, first.first_rank) == ("A", (True, False), (1, None))
    assert second.n_matches == (1, 1)


def test_polymorphs_count_by_any_cell_of_the_composition():
    """A and B are polymorphs, each a target; C is a third that nothing was asked for, D another composition.

    The search for A meets B, that for B meets nothing: recall is B of {A, B, C} and D.
    """
    searches = [
        record("a", sample(0, 0.0, {"b": 0.1}), n_atoms=2, polymorphs=("b", "c")),
        record("b", sample(0, 0.0), n_atoms=4, polymorphs=("a", "c")),
        record("d", sample(0, 0.0, {"d": 0.1}), formula="Si"),
    ]
    assert sorted(recall_polymorphs(searches)) == [0, 0, 1, 1]
    scores = score(searches)
    assert scores.polymorph_recall.value == 0.5
    assert scores.match.value == pytest.approx(1 / 3), "B was met in the search for A, which is no match of the target"


def test_seeds_do_not_share_their_samples_in_recall():
    searches = [record("a", sample(0, 0.0, {"a": 0.1}), seed=0), record("a", sample(0, 0.0), seed=1)]
    assert recall_polymorphs(searches) == [0.5]


def test_kinds_of_start_are_told_apart():
    searches = [
        record("a", sample(0, 0.0, {"a": 0.1}, start="wyckoff"), sample(1, 0.0), sample(2, 0.0, start="wyckoff")),
        record("b", sample(0, 0.0, {"b": 0.1}, start="wyckoff"), sample(1, 0.0, {"b": 0.1})),
    ]
    parts = split_by_start(searches)
    assert list(parts) == ["random", "wyckoff"]
    assert (parts["random"].n_structures, parts["random"].n_found, parts["random"].n_found_alone) == (2, 1, 0)
    assert (parts["wyckoff"].n_structures, parts["wyckoff"].n_found, parts["wyckoff"].n_found_alone) == (3, 2, 1)
    assert [item.found_by for item in summarize_targets(searches)] == [(("wyckoff",),), (("random", "wyckoff"),)]
    assert parts["wyckoff"].match.value == pytest.approx((1 / 2 + 1) / 2)


def test_size_classes_hold_their_ends_and_small_cells_count_twice():
    searches = [record(str(n_atoms), n_atoms=n_atoms) for n_atoms in (1, 4, 5, 12, 13, 20)]
    sizes = {size: [search.n_atoms for search in part] for size, part in split_by_size(searches).items()}
    assert sizes == {"1-12": [1, 4, 5, 12], "1-4": [1, 4], "5-8": [5], "9-12": [12], "13-20": [13, 20]}


def test_records_come_back_from_json():
    search = record("a", sample(0, -2.0, {"a": 0.1}, formation=-0.5), polymorphs=("b",))
    assert SearchRecord.from_json(search.to_json()) == search
