"""``rmatch benchmark stay``: known structures, relaxed on a model, that are still themselves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmatch.benchmark.configurations import find_model_file
from rmatch.benchmark.options import Data, MaxAtoms, Output, Workers, find_file, run_with_progress
from rmatch.benchmark.report import Table, make_wide_console, number, percent, show_results, write_results
from rmatch.completion import complete_model
from rmatch.output import Json

if TYPE_CHECKING:
    from rm_engine.evaluation.stay import StayRecord

_COLUMNS = ("", "structures", "stay %", "at default tolerances %", "converged %", "rms", "volume ratio", "CPU s each")


def stay(
    data: Data,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Name or path of a model; several are compared.", autocompletion=complete_model),
    ] = None,
    n: Annotated[int, typer.Option("--targets", min=1, help="Number of known structures.")] = 300,
    choice_seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of structures.")] = 0,
    max_atoms: MaxAtoms = None,
    output: Output = None,
    n_workers: Workers = 1,
    max_steps: Annotated[int, typer.Option(min=1, help="Most relaxation steps for a structure.")] = 2000,
    as_json: Json = False,
) -> None:
    """Random structures of the MP-20 validation split, relaxed from where they are: the ceiling of any search."""
    from rm_engine.evaluation.provenance import describe_programs
    from rm_engine.evaluation.stay import StayCampaign, StayRecord, score_stay
    from rm_engine.evaluation.targets import choose_targets, read_targets
    from rm_engine.spec import default_model, read_fingerprint
    from rm_engine.spec.generation import CRYSTAL

    path = find_file(data, "mp20_val.extxyz.gz")
    models = {name: find_model_file(name) for name in model or [default_model(CRYSTAL)]}
    fingerprints = {name: read_fingerprint(file) for name, file in models.items()}
    targets = choose_targets(read_targets(path, max_atoms=max_atoms), n, choice_seed)
    campaign = StayCampaign(targets=tuple(targets), models=tuple(models.values()), max_steps=max_steps)
    console = make_wide_console(as_json=as_json)
    names = {fingerprint: name for name, fingerprint in fingerprints.items()}
    outcomes: defaultdict[str, list[bool]] = defaultdict(list)

    def describe(result: dict[str, Any]) -> str:
        outcomes[names[result["model"]]] += [record["rms"] is not None for record in result["records"]]
        return "  ".join(f"{name} {sum(stay)}/{len(stay)}" for name, stay in outcomes.items())

    results = run_with_progress("stay", campaign, describe, output=output, n_workers=n_workers, console=console)
    groups: defaultdict[str, list[StayRecord]] = defaultdict(list)
    for result in results:
        groups[names[result["model"]]] += map(StayRecord.from_json, result["records"])
    rows = [[name, *_row(groups[name])] for name in models]
    title = f"stay: known structures relaxed on the model that still match, choice {choice_seed}, 95 % intervals"
    tables = [Table(title, _COLUMNS, rows)]
    summary = {
        "benchmark": "stay",
        "data": path.name,
        "choice_seed": choice_seed,
        "max_atoms": max_atoms,
        "max_steps": max_steps,
        "programs": describe_programs(),
        "models": [
            {
                "model": name,
                "model_fingerprint": fingerprints[name],
                "scores": asdict(score_stay(groups[name])),
                "targets": [asdict(record) for record in groups[name]],
            }
            for name in models
        ],
    }
    show_results(summary, tables, console, as_json=as_json)
    if output:
        write_results(output, summary, tables)


def _row(records: list[StayRecord]) -> list[str]:
    from rm_engine.evaluation.stay import score_stay

    scores = score_stay(records)
    return [
        str(len(records)),
        *map(percent, (scores.stays, scores.stays_by_default, scores.converged)),
        number(scores.rms, 3),
        number(scores.volume_ratio, 3),
        f"{scores.cpu_seconds.value:.2f}",
    ]
