"""What is told of searches for known crystals: tables, and everything but the single samples as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rmatch.benchmark.report import Table, number, percent

if TYPE_CHECKING:
    from rm_engine.evaluation.prediction import PredictionCampaign
    from rm_engine.evaluation.scores import Scores
    from rm_engine.evaluation.search_records import SearchRecord

Groups = dict[str, list["SearchRecord"]]
"""The records of each configuration, by its label."""

_FOUND = ("targets", "match@{n} %", "match@1 %", "lowest %", "by pseudo e. %", "polymorphs %")
_HOW = ("rank", "best rms", "mean rms", "converged %", "failed %", "CPU s/sample")


def describe_searches(campaign: PredictionCampaign, groups: Groups) -> dict[str, Any]:
    """Everything but the single samples, which are in ``records.jsonl``."""
    from rm_engine.evaluation.breakdown import split_by_start, spread_over_seeds, summarize_targets
    from rm_engine.evaluation.provenance import describe_programs, fingerprint_file
    from rm_engine.evaluation.scores import score, split_by_size
    from rm_engine.spec import read_fingerprint

    references = campaign.references
    return {
        "n_samples": campaign.n_samples,
        "seeds": list(campaign.seeds),
        "max_steps": campaign.max_steps,
        "references": references and {"name": references.name, "fingerprint": fingerprint_file(references)},
        "programs": describe_programs(),
        "configurations": [
            {
                "label": configuration.label,
                "model": configuration.model.stem,
                "model_fingerprint": read_fingerprint(configuration.model),
                "starts": configuration.starts and asdict(configuration.starts),
                "is_blind": configuration.is_blind,
                "scores": asdict(score(records)),
                "by_size": {size: asdict(score(part)) for size, part in split_by_size(records).items()},
                "by_start": {kind: asdict(part) for kind, part in split_by_start(records).items()},
                "by_seed": asdict(spread_over_seeds(records)),
                "targets": [asdict(summary) for summary in summarize_targets(records)],
            }
            for configuration in campaign.configurations
            for records in [groups[configuration.label]]
        ],
    }


def make_tables(name: str, campaign: PredictionCampaign, groups: Groups) -> list[Table]:
    """What was found, how, by which starts and, where there are several, with which seeds."""
    from rm_engine.evaluation.scores import score, split_by_size

    scores: list[tuple[str, Scores]] = []
    for label, records in groups.items():
        scores.append((label, score(records)))
        sizes = split_by_size(records).items()
        scores += [(f"  {size} atoms", score(part)) for size, part in sizes if len(part) < len(records)]
    title = f"{name}: {campaign.n_samples} samples, seeds {', '.join(map(str, campaign.seeds))}, 95 % intervals"
    columns = ("", *(column.format(n=campaign.n_samples) for column in _FOUND))
    tables = [
        Table(title, columns, [[label, *_found(part)] for label, part in scores]),
        Table("How it was found", ("", *_HOW), [[label, *_how(part)] for label, part in scores]),
        _start_table(groups),
    ]
    return [*tables, _seed_table(campaign, groups)] if len(campaign.seeds) > 1 else tables


def _found(scores: Scores) -> list[str]:
    shares = (scores.match, scores.match_at_1, scores.lowest, scores.lowest_pseudo, scores.polymorph_recall)
    return [str(scores.n_targets), *map(percent, shares)]


def _how(scores: Scores) -> list[str]:
    return [
        number(scores.first_rank, 1),
        number(scores.rms_best, 3),
        number(scores.rms, 3),
        percent(scores.converged),
        percent(scores.failed),
        f"{scores.cpu_seconds.value:.2f}",
    ]


def _start_table(groups: Groups) -> Table:
    from rm_engine.evaluation.breakdown import split_by_start

    rows = [
        [label, kind, str(part.n_structures), percent(part.match), str(part.n_found), str(part.n_found_alone)]
        for label, records in groups.items()
        for kind, part in split_by_start(records).items()
    ]
    columns = ("", "start", "structures", "match %", "finds", "finds alone")
    return Table("By kind of start", columns, rows)


def _seed_table(campaign: PredictionCampaign, groups: Groups) -> Table:
    """Targets found with each seed, and how many seeds found each target."""
    from rm_engine.evaluation.breakdown import spread_over_seeds, summarize_targets

    rows = []
    for label, records in groups.items():
        spread = spread_over_seeds(records)
        counts = ", ".join(map(str, spread.found.values()))
        found = ", ".join(
            f"{item.label} {sum(item.found)}/{len(item.found)}"
            for item in summarize_targets(records)
            if any(item.found)
        )
        rows.append([label, counts, f"{spread.mean:.1f} ± {spread.deviation or 0:.1f}", found])
    title = f"Found of {len(campaign.targets)} with each seed, and with how many seeds each was found"
    return Table(title, ("", "found", "mean", "targets"), rows)
