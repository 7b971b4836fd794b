"""What stands behind the scores: seeds, kinds of start, and which targets were found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from rm_engine.evaluation.intervals import Estimate, estimate_mean
from rm_engine.evaluation.scores import find_first_rank
from rm_engine.evaluation.search_records import SearchRecord


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """Number of targets found with each seed.

    Attributes:
        found: by seed.
        mean: over the seeds.
        deviation: sample standard deviation over the seeds, None for a single one.
    """

    found: dict[int, int]
    mean: float
    deviation: float | None


@dataclass(frozen=True, kw_only=True)
class StartScores:
    """What one kind of start gave.

    Attributes:
        n_structures: structures that came of it.
        match: share of them that match their target, over searches that have any.
        n_found: searches in which it matched the target.
        n_found_alone: searches in which no other kind did.
    """

    n_structures: int
    match: Estimate
    n_found: int
    n_found_alone: int


@dataclass(frozen=True, kw_only=True)
class TargetSummary:
    """One target over all seeds.

    Attributes:
        target: its name.
        label: what tables call it.
        n_atoms: atoms in its cell.
        seeds: seeds of the searches.
        found: whether each search found it.
        n_matches: samples that match, of each search.
        first_rank: place of the first match in each search.
        rms: least root mean square displacement in each search.
        starts: of each search, the number of samples of each kind of start.
        found_by: of each search, the kinds of start whose samples match.
        reason: why the model cannot answer, if so.
    """

    target: str
    label: str
    n_atoms: int
    seeds: tuple[int, ...]
    found: tuple[bool, ...]
    n_matches: tuple[int, ...]
    first_rank: tuple[int | None, ...]
    rms: tuple[float | None, ...]
    starts: tuple[dict[str, int], ...]
    found_by: tuple[tuple[str, ...], ...]
    reason: str | None


def spread_over_seeds(records: Sequence[SearchRecord]) -> SeedSpread:
    """How many targets each seed found; at least one record."""
    found = dict.fromkeys(sorted({record.seed for record in records}), 0)
    for record in records:
        found[record.seed] += bool(record.hits)
    counts = list(found.values())
    return SeedSpread(found=found, mean=fmean(counts), deviation=stdev(counts) if len(counts) > 1 else None)


def split_by_start(records: Sequence[SearchRecord]) -> dict[str, StartScores]:
    """What each kind of start gave, in alphabetical order."""
    kinds = sorted({sample.start for record in records for sample in record.samples})
    return {kind: _score_start(records, kind) for kind in kinds}


def summarize_targets(records: Sequence[SearchRecord]) -> list[TargetSummary]:
    """A summary of each target, in the order of the records."""
    groups: defaultdict[str, list[SearchRecord]] = defaultdict(list)
    for record in records:
        groups[record.target].append(record)
    return [
        TargetSummary(
            target=name,
            label=searches[0].label,
            n_atoms=searches[0].n_atoms,
            seeds=tuple(record.seed for record in searches),
            found=tuple(bool(record.hits) for record in searches),
            n_matches=tuple(len(record.hits) for record in searches),
            first_rank=tuple(find_first_rank(record) for record in searches),
            rms=tuple(min((hit.matches[name] for hit in record.hits), default=None) for record in searches),
            starts=tuple(count_starts(record) for record in searches),
            found_by=tuple(tuple(sorted({hit.start for hit in record.hits})) for record in searches),
            reason=searches[0].reason,
        )
        for name, searches in groups.items()
    ]


def count_starts(record: SearchRecord) -> dict[str, int]:
    """Number of structures of each kind of start."""
    kinds = [sample.start for sample in record.samples]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _score_start(records: Sequence[SearchRecord], kind: str) -> StartScores:
    shares: list[float] = []
    n_structures = n_found = n_found_alone = 0
    for record in records:
        samples = [sample for sample in record.samples if sample.start == kind]
        n_hits = sum(record.target in sample.matches for sample in samples)
        n_structures += len(samples)
        n_found += n_hits > 0
        n_found_alone += 0 < n_hits == len(record.hits)
        if samples:
            shares.append(n_hits / len(samples))
    return StartScores(
        n_structures=n_structures, match=estimate_mean(shares), n_found=n_found, n_found_alone=n_found_alone
    )
