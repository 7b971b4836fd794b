"""``rmatch generate`` as users meet it: a whole new process, and what of a search is not relaxation."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import IO, Any, Final, cast
from unittest.mock import patch

from benchmarks.report import Row, show
from benchmarks.timing import cpu_seconds
from rm_engine import load_model
from rm_engine.checkpoint import Model
from rm_engine.prototypes import load_prototypes
from rm_engine.relax import RelaxationResult, relax_in_stages
from rm_engine.search import generate_samples, stages
from rm_engine.spec import GenerationSpec

_COMPOSITION: Final = "KZnF3"
_PARTS: Final = {
    "importing the command line": "import rmatch.main",
    "importing torch": "gc.disable(); import torch",
    "importing the engine": "import rm_engine.search; gc.freeze(); gc.enable()",
    "loading model and prototypes": (
        "from rm_engine.prototypes import load_prototypes; load_prototypes(); model = rm_engine.load_model('mp20-plus')"
    ),
    "the search": "found = rm_engine.generate(model, {composition!r}, n={n})",
    "space groups of ten": "[item.space_group for item in found[:10]]",
}
"""What the process does, as statements to time one after the other."""


def run(n: int = 30, n_runs: int = 7, n_searched: int = 200) -> Iterator[Row]:
    """Start the command several times over; then search in this process, with relaxations recorded before."""
    _time_command(n)  # files into the page cache, the kernel into its own
    totals, firsts, computed = zip(*(_time_command(n) for _ in range(n_runs)), strict=True)
    command = f"rmatch generate {_COMPOSITION} -n {n}"
    yield Row.of(
        totals,
        name=f"`{command}`, the whole cold process",
        goal=8,
        unit="s",
        at_least=False,
        note="wall time on all cores, files in the page cache, kernel compiled before; "
        f"{show(median(computed))} s of CPU time; {_describe_parts(n, n_runs)}",
    )
    yield Row.of(
        firsts,
        name=f"`{command}`, until the first result is shown",
        goal=4,
        unit="s",
        at_least=False,
        note="from the start of the process to the first line, in the same runs",
    )
    model = load_model("mp20-plus", device="cpu")
    load_prototypes()
    for composition in (_COMPOSITION, "LiS2"):
        yield Row.of(
            _overheads(model, composition, n_searched, n_runs),
            name=f"{composition}: what a search computes outside relaxations",
            goal=3,
            unit="ms/structure",
            at_least=False,
            note=f"CPU time of {n_searched} samples with relaxations replayed from a record: draws, standard cells, "
            "fused atoms, formation energies",
        )


def _environment() -> dict[str, str]:
    """That of users, whose Python keeps its bytecode."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _time_command(n: int) -> tuple[float, float, float]:
    """Seconds of the whole process, until its first line, and of CPU time."""
    before = _computed_by_children()
    begin = time.perf_counter()
    command = [sys.executable, "-m", "rmatch", "generate", _COMPOSITION, "-n", str(n)]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        output = cast(IO[str], process.stdout)
        line = output.readline()
        first = time.perf_counter() - begin
        output.read()
    total = time.perf_counter() - begin
    if process.returncode or not line.startswith(f"1/{n}:"):
        raise RuntimeError(f"rmatch generate ended with status {process.returncode} after {line!r}.")
    return total, first, _computed_by_children() - before


def _computed_by_children() -> float:
    """CPU seconds of the processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _describe_parts(n: int, n_runs: int) -> str:
    """Where the time goes, by statements timed in processes of their own."""
    statements = "".join(
        f"begin = time.perf_counter()\n{statement}\nseconds[{name!r}] = time.perf_counter() - begin\n"
        for name, statement in _PARTS.items()
    ).format(composition=_COMPOSITION, n=n)
    code = f"import gc, json, time\nseconds = {{}}\n{statements}print(json.dumps(seconds))"
    runs = [
        json.loads(subprocess.check_output([sys.executable, "-c", code], env=_environment(), text=True))
        for _ in range(n_runs)
    ]
    return "medians of its parts: " + ", ".join(
        f"{name} {show(median(run[name] for run in runs))} s" for name in _PARTS
    )


def _overheads(model: Model, composition: str, n: int, n_runs: int) -> Iterator[float]:
    """CPU milliseconds per structure of a search whose relaxations take no time."""
    spec = GenerationSpec(composition=composition, n=n, model=model.card.name)
    recorded: list[RelaxationResult] = []

    def record(*arguments: Any, **options: Any) -> RelaxationResult:  # noqa: ANN401  # whatever it takes
        recorded.append(relax_in_stages(*arguments, **options))
        return recorded[-1]

    def search() -> None:
        generate_samples(model, spec, range(n))

    with patch.object(stages, "relax_in_stages", record):
        search()
    for _ in range(n_runs):
        with patch.object(stages, "relax_in_stages", _replay(recorded)):
            yield cpu_seconds(search) / n * 1000


def _replay(recorded: list[RelaxationResult]) -> Callable[..., RelaxationResult]:
    """A ``relax_in_stages`` that gives what was recorded, call by call."""
    results = iter([(result, result.structures.to_atoms()) for result in recorded])

    def replay(*arguments: Any) -> RelaxationResult:  # noqa: ANN401  # see rm_engine.relax.relax_in_stages
        result, structures = next(results)
        on_done = arguments[4] if len(arguments) > 4 else None
        columns = (column.tolist() for column in (result.energies, result.converged, result.n_steps))
        if on_done is not None:
            for row, (atoms, *outcome) in enumerate(zip(structures, *columns, result.reasons, strict=True)):
                on_done(row, atoms, *outcome)
        return result

    return replay
