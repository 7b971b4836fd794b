"""``rmatch benchmark qm7b``: molecules of given compositions through PoseBusters' checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rmatch.benchmark.configurations import find_model_file
from rmatch.benchmark.options import Output, Workers, find_file, run_with_progress
from rmatch.benchmark.report import Table, make_wide_console, percent, show_results, write_results
from rmatch.completion import complete_model
from rmatch.output import Json

if TYPE_CHECKING:
    from rm_engine.evaluation.molecules import MoleculeCampaign, MoleculeGroup

DATA_FILE: Final = "qm7b.extxyz.gz"
TRAINING_ROW: Final = "training set"
_LARGEST: Final = 7
"""Heavy atoms of the largest molecules of QM7b."""


class Protocol(StrEnum):
    """How molecules are made."""

    SEARCH = "search"
    PAPER = "paper"


def qm7b(
    data: Annotated[
        Path | None, typer.Option(help=f"Folder with {DATA_FILE}, or a file of molecules, for the training set's row.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name or path of a model.", autocompletion=complete_model)] = None,
    composition: Annotated[
        list[str] | None, typer.Option(help="Formula of molecules to make; may be repeated. By default twelve.")
    ] = None,
    protocol: Annotated[
        list[Protocol] | None, typer.Option(help="How to make them: our search, the paper's protocol; may be repeated.")
    ] = None,
    samples: Annotated[int, typer.Option("-n", "--samples", min=1, help="Molecules of a composition and seed.")] = 50,
    known: Annotated[int, typer.Option(min=1, help="Molecules of the training set to check.")] = 200,
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Seed of the searches; may be repeated.")] = None,
    output: Output = None,
    n_workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Compositions of QM7b and larger ones: how many molecules pass PoseBusters' checks."""
    from rm_engine.evaluation.molecules import MoleculeGroup
    from rm_engine.evaluation.provenance import describe_programs
    from rm_engine.spec import read_fingerprint

    campaign = plan(
        data, model, composition, [item.value for item in protocol or (Protocol.SEARCH,)], samples, known, seed
    )
    console = make_wide_console(as_json=as_json)
    passed: Counter[str] = Counter()

    def describe(result: dict[str, Any]) -> str:
        passed.update(["made"] * len(result["records"]) if result["composition"] else [])
        return f"{passed['made']} molecules"

    results = run_with_progress("qm7b", campaign, describe, output=output, n_workers=n_workers, console=console)
    rows = collect_rows([MoleculeGroup.from_json(result) for result in results])
    tables = make_tables(rows)
    summary = {
        "benchmark": "qm7b",
        "model": campaign.model.stem,
        "model_fingerprint": read_fingerprint(campaign.model),
        "n_samples": samples,
        "seeds": list(campaign.seeds),
        "programs": describe_programs(),
        "rows": describe_rows(rows),
    }
    show_results(summary, tables, console, as_json=as_json)
    if output:
        write_results(output, summary, tables)


def plan(
    data: Path | None,
    model: str | None,
    compositions: Sequence[str] | None,
    protocols: Sequence[str],
    samples: int,
    known: int,
    seeds: Sequence[int] | None,
) -> MoleculeCampaign:
    """What to do; the figure of the paper does the same."""
    from rm_engine.evaluation.molecules import (
        COMMON_COMPOSITIONS,
        LARGER_COMPOSITIONS,
        MoleculeCampaign,
        Source,
        choose_known,
    )
    from rm_engine.files import read_structures
    from rm_engine.spec import default_model, parse_formula
    from rm_engine.spec.generation import MOLECULE

    for text in compositions or ():
        parse_formula(text)
    molecules = [stored.atoms for stored in read_structures(find_file(data, DATA_FILE))] if data else []
    sources: dict[str, Source] = {"search": "search", "paper": "paper"}
    return MoleculeCampaign(
        model=find_model_file(model or default_model(MOLECULE)),
        compositions=tuple(compositions or (*COMMON_COMPOSITIONS, *LARGER_COMPOSITIONS)),
        sources=tuple(sources[name] for name in protocols),
        n_samples=samples,
        seeds=tuple(seeds or (0,)),
        known=choose_known(molecules, known, 0),
    )


def collect_rows(groups: Sequence[MoleculeGroup]) -> dict[str, list[MoleculeGroup]]:
    """Groups by the row that they belong to: the training set, each composition, and all of each size, by protocol."""
    from rm_engine.evaluation.molecules import count_heavy_atoms

    rows: defaultdict[str, list[MoleculeGroup]] = defaultdict(list)
    sizes: defaultdict[str, list[MoleculeGroup]] = defaultdict(list)
    for group in groups:
        if group.source == "known":
            rows[TRAINING_ROW].append(group)
            continue
        suffix = "" if group.source == "search" else ", paper's protocol"
        rows[group.composition + suffix].append(group)
        is_larger = count_heavy_atoms(group.composition) > _LARGEST
        sizes[("all larger" if is_larger else f"all of up to {_LARGEST} heavy atoms") + suffix].append(group)
    return {**rows, **dict(sorted(sizes.items(), reverse=True))}


def make_tables(rows: dict[str, list[MoleculeGroup]]) -> list[Table]:
    """The checks, and what else is to be said of the molecules."""
    from rm_engine.evaluation.molecules import COLUMNS, score_groups

    checks = [
        [label, *(f"{100 * share.value:.0f}" for share in score_groups(groups).values())]
        for label, groups in rows.items()
    ]
    others = [[label, *_plain_row(groups)] for label, groups in rows.items()]
    names = [column.replace("_", " ") for column in COLUMNS]
    return [
        Table(
            "Molecules that pass PoseBusters' checks, %; no radicals is newer and not among all", ("", *names), checks
        ),
        Table(
            "The same with 95 % intervals",
            ("", "molecules", "sanitization %", "all %", "all, no radicals %", "different", "CPU s each"),
            others,
        ),
    ]


def describe_rows(rows: dict[str, list[MoleculeGroup]]) -> list[dict[str, Any]]:
    """The rows as plain values."""
    from rm_engine.evaluation.molecules import score_groups

    return [
        {
            "row": label,
            "shares": {column: asdict(share) for column, share in score_groups(groups).items()},
            **_describe_row(groups),
        }
        for label, groups in rows.items()
    ]


def _plain_row(groups: Sequence[MoleculeGroup]) -> list[str]:
    from rm_engine.evaluation.intervals import estimate_share
    from rm_engine.evaluation.molecules import score_groups

    scores, row = score_groups(groups), _describe_row(groups)
    proper = [record.is_proper for group in groups for record in group.records] + [False] * row["n_failures"]
    return [
        str(row["n"]),
        percent(scores["sanitization"]),
        percent(scores["all"]),
        percent(estimate_share(proper)),
        str(row["n_different"]),
        f"{row['cpu_seconds_each']:.2f}",
    ]


def _describe_row(groups: Sequence[MoleculeGroup]) -> dict[str, Any]:
    records = [record for group in groups for record in group.records]
    n = len(records) + sum(group.n_failures for group in groups)
    return {
        "n": n,
        "n_failures": n - len(records),
        "n_proper": sum(record.is_proper for record in records),
        "n_different": len({record.report.smiles for record in records} - {None}),
        "cpu_seconds_each": sum(group.cpu_seconds for group in groups) / n if n else 0.0,
    }
