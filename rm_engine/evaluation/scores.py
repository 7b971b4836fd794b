"""Scores of structure prediction, from records alone.

Every figure is a mean over targets of what their searches gave, so that targets and not samples are what its interval
is about; several seeds of one target are averaged first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, TypeVar

from rm_engine.evaluation.intervals import Estimate, estimate_mean, estimate_median
from rm_engine.evaluation.search_records import SampleRecord, SearchRecord
from rm_engine.spec.limits import MAX_ATOMS

SIZE_CLASSES: Final = ((1, 12), (1, 4), (5, 8), (9, 12), (13, 20), (21, MAX_ATOMS))
"""(least, most) atoms in the cell; the first holds the next three, as small cells are what many figures are about."""

Group = TypeVar("Group", bound=Hashable)
Records = Sequence[SearchRecord]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well the right structures were found and ranked.

    Attributes:
        n_targets: number of targets.
        match: share of targets that any sample matches.
        match_at_1: share of samples that match, which is how often one sample for each target would.
        lowest: share of targets that the lowest sample matches, by the energy that the model ranks by.
        lowest_pseudo: the same by the pseudo energy.
        polymorph_recall: share of all known structures of the targets' compositions that any sample of any cell of the
            composition matches, the target itself being one of them (METRe).
        first_rank: median place of the first match, by the energy that the model ranks by, where there is one.
        rms_best: mean over found targets of the least root mean square displacement, in (volume per atom)^(1/3).
        rms: mean over found targets of that of all their matches.
        converged: share of structures whose relaxation converged.
        failed: share of samples that gave no structure.
        cpu_seconds: processor time for a sample.
    """

    n_targets: int
    match: Estimate
    match_at_1: Estimate
    lowest: Estimate
    lowest_pseudo: Estimate
    polymorph_recall: Estimate
    first_rank: Estimate
    rms_best: Estimate
    rms: Estimate
    converged: Estimate
    failed: Estimate
    cpu_seconds: Estimate


def score(records: Records) -> Scores:
    """The scores of some records of one configuration."""
    return Scores(
        n_targets=len({record.target for record in records}),
        match=estimate_mean(_by_target(records, lambda record: float(bool(record.hits)))),
        match_at_1=estimate_mean(_by_target(records, lambda record: len(record.hits) / record.n_samples)),
        lowest=estimate_mean(_by_target(records, lambda record: float(is_lowest_right(record, _ranking)))),
        lowest_pseudo=estimate_mean(_by_target(records, lambda record: float(is_lowest_right(record, _pseudo)))),
        polymorph_recall=estimate_mean(recall_polymorphs(records)),
        first_rank=estimate_median(_by_target(records, find_first_rank)),
        rms_best=estimate_mean(_by_target(records, lambda record: min(_rms_of(record), default=None))),
        rms=estimate_mean(_by_target(records, lambda record: _mean(_rms_of(record)))),
        converged=estimate_mean(_by_target(records, lambda record: _mean([s.converged for s in record.samples]))),
        failed=estimate_mean(_by_target(records, lambda record: 1 - len(record.samples) / record.n_samples)),
        cpu_seconds=estimate_mean(_by_target(records, lambda record: record.cpu_seconds / record.n_samples)),
    )


def split_by_size(records: Records) -> dict[str, list[SearchRecord]]:
    """The records of each size class that has some, e.g. ``5-8``."""
    groups = {
        f"{least}-{most}": [record for record in records if least <= record.n_atoms <= most]
        for least, most in SIZE_CLASSES
    }
    return {size: part for size, part in groups.items() if part}


def is_lowest_right(record: SearchRecord, energy: Callable[[SampleRecord], float]) -> bool:
    """Whether the sample of lowest energy matches the target."""
    lowest = min(record.samples, key=energy, default=None)
    return lowest is not None and record.target in lowest.matches


def find_first_rank(record: SearchRecord) -> int | None:
    """Place of the first match among the samples, lowest first; None where no sample matches."""
    ranked = sorted(record.samples, key=_ranking)
    return next((place for place, sample in enumerate(ranked, start=1) if record.target in sample.matches), None)


def recall_polymorphs(records: Records) -> list[float]:
    """For each known structure of the compositions searched, the share of seeds with which any sample matched it.

    All samples of a composition count, in whatever cell they were made (METRe: "match everyone to reference").
    """
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)
    for searches in _group(records, lambda record: (record.reduced_formula, record.seed)).values():
        matched = {name for record in searches for sample in record.samples for name in sample.matches}
        for name in dict.fromkeys(name for record in searches for name in (record.target, *record.polymorphs)):
            outcomes[name].append(name in matched)
    return [fmean(values) for values in outcomes.values()]


def _by_target(records: Records, measure: Callable[[SearchRecord], float | None]) -> list[float]:
    """The mean over seeds for each target, without searches that have no such value."""
    groups = _group(records, lambda record: record.target).values()
    means = (_mean([value for record in group if (value := measure(record)) is not None]) for group in groups)
    return [mean for mean in means if mean is not None]


def _group(records: Records, key: Callable[[SearchRecord], Group]) -> dict[Group, list[SearchRecord]]:
    groups: defaultdict[Group, list[SearchRecord]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return groups


def _rms_of(record: SearchRecord) -> list[float]:
    return [sample.matches[record.target] for sample in record.hits]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _ranking(sample: SampleRecord) -> float:
    return sample.ranking_energy


def _pseudo(sample: SampleRecord) -> float:
    return sample.pseudo_energy_per_atom
