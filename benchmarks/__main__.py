"""``python -m benchmarks``: every figure with its goal."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from benchmarks.report import Environment, Row, replace_figures, to_json, to_markdown

BENCHMARKS: Final = (
    "evaluation",
    "shares",
    "relaxation",
    "throughput",
    "cores",
    "training",
    "cold",
    "scaling",
    "gpu",
    "worker",
    "store",
    "footprint",
)
"""Modules of this package, in the order in which they run; each has ``run() -> Iterator[Row]``."""

LONG: Final = ("load", "queued", "symmetry", "exchanges", "optimisers", "properties", "opinions")
"""More of the same, which take minutes and run when they are named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks and say what they found.

    A missed goal is no error, as the machine may be busy; a benchmark that breaks is one.

    Returns:
        The exit status.
    """
    options = _parse(arguments)
    environment = Environment.here()
    sys.stdout.write(f"{environment}\n")
    rows, broken = [], []
    for name in options.names or BENCHMARKS:
        try:
            for row in _run(name, options):
                rows.append(row)
                sys.stdout.write(f"{row}\n")
                sys.stdout.flush()
        except Exception:  # noqa: BLE001  # the others are measured all the same
            traceback.print_exc()
            broken.append(name)
    if options.json:
        options.json.write_text(json.dumps(to_json(environment, rows), indent=1))
    if options.markdown:
        replace_figures(options.markdown, to_markdown(environment, rows))
    sys.stdout.write(_summarize(rows, broken))
    return 1 if broken else 0


def _run(name: str, options: argparse.Namespace) -> Iterator[Row]:
    settings: dict[str, dict[str, Any]] = {
        "training": {"data": options.data},
        "store": {"n_structures": options.structures},
        "load": {"minutes": options.minutes},
        "symmetry": {"data": options.data},
        "optimisers": {"data": options.data},
        "opinions": {"data": options.data},
    }
    rows: Iterator[Row] = import_module(f"benchmarks.{name}").run(**settings.get(name, {}))
    return rows


def _summarize(rows: Sequence[Row], broken: Sequence[str]) -> str:
    missed = [row for row in rows if row.is_reached is False]
    n_goals = sum(row.goal is not None for row in rows)
    lines = [f"{n_goals - len(missed)} of {n_goals} goals reached"]
    lines += [f"{row.name}: {row.verdict}" for row in missed]
    lines += [f"{name}: BROKEN, see above" for name in broken]
    return "\n".join(lines) + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and size, each beside its goal.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[[], *BENCHMARKS, *LONG],
        help=f"{', '.join(BENCHMARKS)}; {', '.join(LONG)} run when named",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="replace the table between the markers of a document"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the data sets: train on MP-20, look for test compounds"
    )
    parser.add_argument("--structures", type=int, default=1_000_000, metavar="N", help="fill the database with so many")
    parser.add_argument("--minutes", type=float, default=3.0, metavar="T", help="keep up the load for so long")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
