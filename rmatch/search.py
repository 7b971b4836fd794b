"""A search on this machine, as ``rmatch generate`` and ``rmatch hull`` make it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from rm_engine.spec import START_KINDS, ModelCard, OptimizerName, StartMix, default_model, default_n
from rm_engine.spec.generation import CRYSTAL
from rmatch.completion import complete_model, complete_space_groups, complete_starts
from rmatch.errors import CommandError
from rmatch.live import Show, print_lines, show_table
from rmatch.startup import without_collections
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

    from rm_engine import GeneratedStructure

N = Annotated[int | None, typer.Option("-n", help="Number of structures; by default 30, of a chemical system 200.")]
ModelName = Annotated[
    str,
    typer.Option(
        help="Name of the model, see `rmatch models`; by default the one for the boundary.",
        autocompletion=complete_model,
    ),
]
Starts = Annotated[
    str,
    typer.Option(
        help="One kind of start, or shares, e.g. wyckoff or references=2,wyckoff=1,random=1.",
        autocompletion=complete_starts,
    ),
]
SpaceGroups = Annotated[
    str,
    typer.Option(
        help="Space groups to start in, and to keep: numbers, symbols, crystal systems or auto, with commas between.",
        autocompletion=complete_space_groups,
    ),
]
Swaps = Annotated[
    int,
    typer.Option(
        help="Exchanges of two atoms in each relaxed structure, which then relaxes again; finds which is where."
    ),
]
Hops = Annotated[
    int,
    typer.Option(help="Times that each relaxed structure is shaken, and relaxes again; finds the lowest minima."),
]
Generations = Annotated[
    int,
    typer.Option(help="Children of each relaxed structure, with another one or by mutation; evolves them together."),
]
Annealing = Annotated[
    int, typer.Option(help="Steps of Langevin dynamics, in which each start cools down before it relaxes.")
]
Optimizer = Annotated[
    OptimizerName | None, typer.Option(help="What relaxes; fire by default. lbfgs needs fewer steps.")
]
Seed = Annotated[int, typer.Option(help="Sample k is drawn from (seed, k).")]
USUAL_STARTS = "usual"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for.

    Attributes:
        composition: formula or chemical system.
        n: number of structures, None for the usual.
        model: name of the model, empty for the usual.
        starts: as ``--starts``.
        seed: seed.
        periodic: boundary conditions.
        formula_units: in a cell, None for several small ones.
        memory: MiB that structures relaxing together may take, None for the usual.
        space_groups: to start in; None where no symmetry is kept.
        options: other fields of :class:`rm_engine.spec.GenerationSpec`.
    """

    composition: str
    n: int | None
    model: str
    starts: str
    seed: int
    periodic: tuple[bool, bool, bool] = CRYSTAL
    formula_units: tuple[int, ...] | None = None
    memory: int | None = None
    space_groups: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(
        self, known: Sequence[tuple[str, Atoms]], console: Console, *, is_silent: bool = False
    ) -> tuple[list[GeneratedStructure], ModelCard]:
        """Search on all cores and show what comes as it comes.

        Args:
            known: structures to put elements into, with their names.
            console: where it is shown; in a terminal as a table, elsewhere in lines, or not at all.
            is_silent: whether the lines are left out.

        Returns:
            What was found, lowest first, and the card of the model.
        """
        n = default_n(self.composition) if self.n is None else self.n  # refuses before torch, which takes seconds
        mix = None if self.starts == USUAL_STARTS else parse_starts(self.starts)
        with without_collections():
            from rm_engine import generate, load_model

        settings = Settings()
        model = load_model(
            self.model or default_model(self.periodic),
            directories=settings.model_directories,
            memory_budget=self.memory * 2**20 if self.memory else settings.memory_budget_bytes,
        )
        with _show(self.composition, n, model.card, console, is_silent=is_silent) as show:
            found = generate(
                model,
                self.composition,
                n=n,
                seed=self.seed,
                references=known,
                on_structure=show,
                formula_units=self.formula_units,
                periodic=self.periodic,
                starts=mix,
                space_groups=self.space_groups,
                **self.options,
            )
        return found, model.card


def split_space_groups(text: str) -> tuple[str, ...] | None:
    """The space groups that ``--space-groups`` names; None where it names none."""
    return tuple(text.replace(",", " ").split()) or None


def parse_starts(text: str) -> StartMix:
    """Shares such as ``references=2,random=1``; a kind without a number has one share.

    Raises:
        CommandError: not of this form, or of another kind.
    """
    parts = [part.partition("=") for part in text.split(",")]
    try:
        return StartMix(**{kind.strip(): float(share) if sign else 1.0 for kind, sign, share in parts})
    except (TypeError, ValueError) as error:
        way = f"Give shares of {', '.join(START_KINDS)}, not all of them zero, e.g. wyckoff=2,random=1."
        raise CommandError(f"--starts {text[:80]!r} is no mix of starts. {way}") from error


def _show(
    composition: str, n: int, card: ModelCard, console: Console, *, is_silent: bool
) -> AbstractContextManager[Show | None]:
    if console.is_terminal:
        return show_table(composition, n, card, console)
    return nullcontext(None if is_silent else print_lines(n, console))
