"""``rmatch benchmark csp15`` and ``csp-val``: known crystals, found from the formulas of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmatch.benchmark.options import Data, MaxAtoms, Output, Workers, find_file, parse_configurations, run_with_progress
from rmatch.benchmark.report import Table, make_console, number, percent, show_tables, write_results

if TYPE_CHECKING:
    from rm_engine.evaluation.prediction import PredictionCampaign
    from rm_engine.evaluation.scores import Scores
    from rm_engine.evaluation.search_records import SearchRecord

Configurations = Annotated[
    list[str] | None,
    typer.Option("--config", help="What to measure, MODEL or MODEL:STARTS; several are compared in one run."),
]
Samples = Annotated[int, typer.Option("-n", "--samples", min=1, help="Samples of a search.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", min=0, help="Seed of the searches; may be repeated.")]
Steps = Annotated[int, typer.Option(min=1, help="Most relaxation steps for a structure.")]

_FOUND = ("targets", "match@{n} %", "match@1 %", "lowest %", "by pseudo e. %", "polymorphs %")
_HOW = ("rank", "best rms", "mean rms", "converged %", "failed %", "CPU s/sample")


def csp15(
    data: Data,
    config: Configurations = None,
    samples: Samples = 30,
    seed: Seeds = None,
    output: Output = None,
    n_workers: Workers = 1,
    max_steps: Steps = 2000,
) -> None:
    """The 15 compounds of the comparison of DiffCSP and USPEX, 30 samples each, with three seeds."""
    from rm_engine.evaluation.targets import read_targets

    path = find_file(data, "csp15.extxyz")
    campaign = _plan(config, read_targets(path), samples, seed or [0, 1, 2], max_steps)
    _measure("csp15", campaign, {"data": path.name}, output, n_workers)


def csp_val(
    data: Data,
    config: Configurations = None,
    n: Annotated[int, typer.Option("--targets", min=1, help="Number of structures to look for.")] = 300,
    choice_seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of structures.")] = 0,
    max_atoms: MaxAtoms = None,
    samples: Samples = 20,
    seed: Seeds = None,
    output: Output = None,
    n_workers: Workers = 1,
    max_steps: Steps = 2000,
) -> None:
    """Random structures of the MP-20 validation split, 20 samples each."""
    from rm_engine.evaluation.targets import choose_targets, read_targets

    path = find_file(data, "mp20_val.extxyz.gz")
    targets = choose_targets(read_targets(path, max_atoms=max_atoms), n, choice_seed)
    campaign = _plan(config, targets, samples, seed or [0], max_steps)
    settings = {"data": path.name, "choice_seed": choice_seed, "max_atoms": max_atoms}
    _measure("csp-val", campaign, settings, output, n_workers)


def _plan(
    config: list[str] | None, targets: Sequence[Any], samples: int, seeds: list[int], max_steps: int
) -> PredictionCampaign:
    from rm_engine.evaluation.prediction import PredictionCampaign

    return PredictionCampaign(
        targets=tuple(targets),
        configurations=parse_configurations(config),
        n_samples=samples,
        seeds=tuple(seeds),
        max_steps=max_steps,
    )


def _measure(
    name: str, campaign: PredictionCampaign, settings: dict[str, Any], output: Path | None, n_workers: int
) -> None:
    """Run the searches, show the scores and write everything down."""
    from rm_engine.evaluation.search_records import SearchRecord

    console = make_console()
    found: dict[str, list[bool]] = {configuration.label: [] for configuration in campaign.configurations}

    def describe(result: dict[str, Any]) -> str:
        record = SearchRecord.from_json(result)
        found[record.configuration].append(bool(record.hits))
        return "  ".join(f"{label} {sum(hits)}/{len(hits)}" for label, hits in found.items())

    results = run_with_progress(name, campaign, describe, output=output, n_workers=n_workers, console=console)
    groups: dict[str, list[SearchRecord]] = {label: [] for label in found}
    for record in map(SearchRecord.from_json, results):
        groups[record.configuration].append(record)
    tables = _make_tables(name, campaign, groups)
    show_tables(tables, console)
    if output:
        write_results(output, {"benchmark": name, **settings, **_describe(campaign, groups)}, tables)


def _describe(campaign: PredictionCampaign, groups: dict[str, list[SearchRecord]]) -> dict[str, Any]:
    """Everything but the single samples, which are in ``records.jsonl``."""
    from rm_engine.evaluation.breakdown import split_by_start, spread_over_seeds, summarize_targets
    from rm_engine.evaluation.provenance import describe_programs, fingerprint_model
    from rm_engine.evaluation.scores import score, split_by_size

    return {
        "n_samples": campaign.n_samples,
        "seeds": list(campaign.seeds),
        "max_steps": campaign.max_steps,
        "programs": describe_programs(),
        "configurations": [
            {
                "label": configuration.label,
                "model": configuration.model.stem,
                "model_fingerprint": fingerprint_model(configuration.model),
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


def _make_tables(name: str, campaign: PredictionCampaign, groups: dict[str, list[SearchRecord]]) -> list[Table]:
    from rm_engine.evaluation.scores import score, split_by_size

    scores: list[tuple[str, Scores]] = []
    for label, records in groups.items():
        scores.append((label, score(records)))
        sizes = split_by_size(records)
        if len(sizes) > 1:
            scores += [(f"  {size} atoms", score(part)) for size, part in sizes.items()]
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


def _start_table(groups: dict[str, list[SearchRecord]]) -> Table:
    from rm_engine.evaluation.breakdown import split_by_start

    rows = [
        [label, kind, str(part.n_structures), percent(part.match), str(part.n_found), str(part.n_found_alone)]
        for label, records in groups.items()
        for kind, part in split_by_start(records).items()
    ]
    columns = ("", "start", "structures", "match %", "finds", "finds alone")
    return Table("By kind of start", columns, rows)


def _seed_table(campaign: PredictionCampaign, groups: dict[str, list[SearchRecord]]) -> Table:
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
