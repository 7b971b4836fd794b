"""``rmatch benchmark csp15`` and ``csp-val``: known crystals, found from the formulas of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmatch.benchmark.configurations import parse_configurations
from rmatch.benchmark.csp_report import describe_searches, make_tables
from rmatch.benchmark.options import Data, MaxAtoms, Output, Workers, find_file, run_with_progress
from rmatch.benchmark.report import make_wide_console, show_results, write_results
from rmatch.errors import CommandError
from rmatch.output import Json

if TYPE_CHECKING:
    from rm_engine.evaluation.prediction import PredictionCampaign
    from rm_engine.evaluation.search_records import SearchRecord
    from rm_engine.evaluation.targets import Target

Configurations = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        help="What to measure, MODEL or MODEL:STARTS, starts being default, blind, references, wyckoff, random or "
        "shares such as references=2,random=1; may be repeated, to compare in one run.",
    ),
]
References = Annotated[
    Path | None,
    typer.Option(help="Known structures that searches may start from; those that match the target are kept from it."),
]
Samples = Annotated[int, typer.Option("-n", "--samples", min=1, help="Samples of a search.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", min=0, help="Seed of the searches; may be repeated.")]
Steps = Annotated[int, typer.Option(min=1, help="Most relaxation steps for a structure.")]


def csp15(
    data: Data,
    config: Configurations = None,
    references: References = None,
    samples: Samples = 30,
    seed: Seeds = None,
    output: Output = None,
    n_workers: Workers = 1,
    max_steps: Steps = 2000,
    as_json: Json = False,
) -> None:
    """The 15 compounds of the comparison of DiffCSP and USPEX, 30 samples each, with three seeds."""
    from rm_engine.evaluation.targets import read_targets

    path = find_file(data, "csp15.extxyz")
    campaign = _plan(config, references, read_targets(path), samples, seed or [0, 1, 2], max_steps)
    _measure("csp15", campaign, {"data": path.name}, output, n_workers, as_json=as_json)


def csp_val(
    data: Data,
    config: Configurations = None,
    references: References = None,
    n: Annotated[int, typer.Option("--targets", min=1, help="Number of structures to look for.")] = 300,
    choice_seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of structures.")] = 0,
    max_atoms: MaxAtoms = None,
    samples: Samples = 20,
    seed: Seeds = None,
    output: Output = None,
    n_workers: Workers = 1,
    max_steps: Steps = 2000,
    as_json: Json = False,
) -> None:
    """Random structures of the MP-20 validation split, 20 samples each."""
    from rm_engine.evaluation.targets import choose_targets, read_targets

    path = find_file(data, "mp20_val.extxyz.gz")
    targets = choose_targets(read_targets(path, max_atoms=max_atoms), n, choice_seed)
    campaign = _plan(config, references, targets, samples, seed or [0], max_steps)
    settings = {"data": path.name, "choice_seed": choice_seed, "max_atoms": max_atoms}
    _measure("csp-val", campaign, settings, output, n_workers, as_json=as_json)


def _plan(
    config: list[str] | None,
    references: Path | None,
    targets: Sequence[Target],
    samples: int,
    seeds: list[int],
    max_steps: int,
) -> PredictionCampaign:
    from rm_engine.evaluation.prediction import PredictionCampaign

    if references is not None and not references.exists():
        raise CommandError(f"There is no {references}. Give a file or folder of known structures as --references.")
    return PredictionCampaign(
        targets=tuple(targets),
        configurations=parse_configurations(config, references),
        n_samples=samples,
        seeds=tuple(seeds),
        max_steps=max_steps,
        references=references,
    )


def _measure(
    name: str,
    campaign: PredictionCampaign,
    settings: dict[str, Any],
    output: Path | None,
    n_workers: int,
    *,
    as_json: bool,
) -> None:
    """Run the searches, show the scores and write everything down."""
    from rm_engine.evaluation.search_records import SearchRecord

    console = make_wide_console(as_json=as_json)
    found: dict[str, list[bool]] = {configuration.label: [] for configuration in campaign.configurations}

    def describe(result: dict[str, Any]) -> str:
        record = SearchRecord.from_json(result)
        found[record.configuration].append(bool(record.hits))
        return "  ".join(f"{label} {sum(hits)}/{len(hits)}" for label, hits in found.items())

    results = run_with_progress(name, campaign, describe, output=output, n_workers=n_workers, console=console)
    groups: dict[str, list[SearchRecord]] = {label: [] for label in found}
    for record in map(SearchRecord.from_json, results):
        groups[record.configuration].append(record)
    tables = make_tables(name, campaign, groups)
    summary = {"benchmark": name, **settings, **describe_searches(campaign, groups)}
    show_results(summary, tables, console, as_json=as_json)
    if output:
        write_results(output, summary, tables)
