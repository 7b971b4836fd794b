"""``rmatch generate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rm_engine.files import WrittenFormat
from rm_engine.spec import ChemicalSystem, ModelCard, parse_composition
from rm_engine.spec.generation import CRYSTAL, MOLECULE
from rmatch.errors import CommandError
from rmatch.output import Json, make_console, print_json
from rmatch.search import (
    USUAL_STARTS,
    Annealing,
    Generations,
    Hops,
    ModelName,
    N,
    Optimizer,
    Search,
    Seed,
    SpaceGroups,
    Starts,
    Swaps,
    split_space_groups,
)
from rmatch.tables import formula_table, found_table

if TYPE_CHECKING:
    from ase import Atoms

    from rm_engine import GeneratedStructure

_SUFFIXES: Final = {"cif": "cif", "poscar": "vasp", "extxyz": "extxyz", "pymatgen": "json"}


def generate(
    composition: Annotated[str, typer.Argument(help="Formula such as LiS2, or chemical system such as Li-S.")],
    n: N = None,
    formula_units: Annotated[
        list[int] | None,
        typer.Option(help="Formula units in a cell; may be given several times. By default several small ones."),
    ] = None,
    molecule: Annotated[bool, typer.Option("--molecule", help="A molecule instead of a crystal.")] = False,
    model: ModelName = "",
    starts: Starts = USUAL_STARTS,
    space_groups: SpaceGroups = "",
    swaps: Swaps = 0,
    hops: Hops = 0,
    generations: Generations = 0,
    annealing: Annealing = 0,
    optimizer: Optimizer = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Known structures to put elements into: whatever `rmatch references import` reads."),
    ] = None,
    seed: Seed = 0,
    memory: Annotated[
        int | None,
        typer.Option(min=1, help="MiB that structures relaxing together may take; by default what suits the device."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the structures, one file each.")
    ] = None,
    file_format: Annotated[
        WrittenFormat | None, typer.Option("--format", help="Of the files; by default cif, of molecules extxyz.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Generate structures right here, without the service, on all cores; show them as they come and list the lowest.

    A chemical system is searched at its likely formulas, and those on the hull are listed first. With --json the
    structures come in lines.
    """
    format_ = file_format or ("extxyz" if molecule else "cif")
    if molecule and format_ in {"cif", "poscar"}:
        raise CommandError(f"A molecule has no cell, so there is no {format_} file of it. Give --format extxyz.")
    search = Search(
        composition=composition,
        n=n,
        model=model,
        starts=starts,
        space_groups=split_space_groups(space_groups),
        swaps=swaps,
        hops=hops,
        generations=generations,
        annealing=annealing,
        optimizer=optimizer,
        seed=seed,
        periodic=MOLECULE if molecule else CRYSTAL,
        formula_units=tuple(formula_units) if formula_units else None,
        memory=memory,
    )
    console = make_console(as_json=as_json)
    found, card = search.run(_read(references), console, is_silent=as_json)
    if output:
        _write(found, output, format_)
        console.print(f"{len(found)} structures written to {output}.", highlight=False)
    from rm_engine.search import find_energies_above_hull

    above_hull = find_energies_above_hull(found, card)
    if as_json:
        for item, above in zip(found, above_hull, strict=True):
            print_json(_plain(item, above, card))
    elif isinstance(parse_composition(composition), ChemicalSystem):
        console.print(formula_table(found, above_hull, card))
    else:
        console.print(found_table(found, card))


def _read(references: Path | None) -> list[tuple[str, Atoms]]:
    from rm_engine.files import read_structures

    return [(stored.name, stored.atoms) for stored in read_structures(references)] if references else []


def _write(found: list[GeneratedStructure], folder: Path, format_: WrittenFormat) -> None:
    from rm_engine.files import write_structure

    folder.mkdir(parents=True, exist_ok=True)
    for rank, item in enumerate(found, start=1):
        name = f"{rank:05d}-{item.atoms.get_chemical_formula()}.{_SUFFIXES[format_]}"
        (folder / name).write_text(write_structure(item.atoms, format_), encoding="utf-8")


def _plain(item: GeneratedStructure, above_hull: float | None, card: ModelCard) -> dict[str, Any]:
    from rm_engine.files import to_json

    return {
        "sample": item.sample,
        "formula": item.atoms.get_chemical_formula(),
        "model": card.name,
        "energy_kind": card.energy_kind,
        "pseudo_energy_per_atom": item.pseudo_energy_per_atom,
        "formation_energy_per_atom": item.formation_energy_per_atom,
        "energy_above_hull": above_hull,
        "space_group": None if item.space_group is None else asdict(item.space_group),
        "start": item.start,
        "start_origin": item.start_origin,
        "converged": item.converged,
        "n_steps": item.n_steps,
        "atoms": to_json(item.atoms),
    }
