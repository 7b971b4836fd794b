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
    from collections.abc import Sequence

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
    density: Annotated[float | None, typer.Option(help="Of the starts, g/cm³.")] = None,
    fixed_volume: Annotated[bool, typer.Option("--fixed-volume", help="Keep the volume of the starts.")] = False,
    pressure: Annotated[float, typer.Option(help="On crystals of free cell, pseudo units per Å³.")] = 0.0,
    target: Annotated[
        list[str] | None,
        typer.Option(help="A property to pull to, e.g. band_gap=1.0:2.0 in eV; may be given several times."),
    ] = None,
    min_distance: Annotated[float | None, typer.Option(help="Least distance of atoms of a start, Å.")] = None,
    separation: Annotated[
        list[str] | None,
        typer.Option(help="The same for a pair of elements, e.g. Li-S=2.0; may be given several times."),
    ] = None,
    seed_structure: Annotated[
        Path | None, typer.Option(help="File of a structure to which the atoms are added, e.g. a substrate.")
    ] = None,
    layer: Annotated[
        tuple[float, float] | None, typer.Option(help="Lowest and highest height over its base for what is added, Å.")
    ] = None,
    relax_seed: Annotated[bool, typer.Option("--relax-seed", help="Let its atoms relax as well.")] = False,
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
    there = _read(seed_structure)[0][1] if seed_structure else None
    periodic = _find_boundary(there, is_molecule=molecule)
    format_ = file_format or ("cif" if any(periodic) else "extxyz")
    if not any(periodic) and format_ in {"cif", "poscar"}:
        raise CommandError(f"A molecule has no cell, so there is no {format_} file of it. Give --format extxyz.")
    search = Search(
        composition=composition,
        n=n,
        model=model,
        starts=starts,
        space_groups=split_space_groups(space_groups),
        seed=seed,
        periodic=periodic,
        formula_units=tuple(formula_units) if formula_units else None,
        memory=memory,
        options={
            "swaps": swaps,
            "hops": hops,
            "generations": generations,
            "annealing": annealing,
            "optimizer": optimizer,
            "density": density,
            "fixed_volume": fixed_volume,
            "pressure": pressure,
            "target": _parse_target(target or ()),
            "min_distance": min_distance,
            "separations": _parse_separations(separation or ()),
            "seed_structure": there,
            "relax_seed": relax_seed,
            "layer": layer,
        },
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


def _find_boundary(there: Atoms | None, *, is_molecule: bool) -> tuple[bool, bool, bool]:
    """Which cell vectors are periodic: those of the seed structure, or all, or none."""
    if there is None:
        return MOLECULE if is_molecule else CRYSTAL
    first, second, third = there.pbc.tolist()
    return first, second, third


def _parse_separations(texts: Sequence[str]) -> dict[str, float] | None:
    """Distances by pair; None where there are none.

    Raises:
        CommandError: not of this form.
    """
    parts = [text.partition("=") for text in texts]
    try:
        return {pair: float(distance) for pair, _, distance in parts} or None
    except ValueError as error:
        given = " ".join(texts)
        raise CommandError(f"--separation {given[:80]!r} is no distance of a pair. Give e.g. Li-S=2.0.") from error


def _parse_target(texts: Sequence[str]) -> dict[str, tuple[float, float]] | None:
    """Ranges by property; None where there are none.

    Raises:
        CommandError: not of this form.
    """
    parts = [text.partition("=") for text in texts]
    ranges = [(name, wanted.partition(":")) for name, _, wanted in parts]
    try:
        return {name: (float(low), float(high)) for name, (low, _, high) in ranges} or None
    except ValueError as error:
        given = " ".join(texts)
        raise CommandError(f"--target {given[:80]!r} is no range of a property. Give e.g. band_gap=1.0:2.0.") from error


def _read(path: Path | None) -> list[tuple[str, Atoms]]:
    from rm_engine.files import read_structures

    return [(stored.name, stored.atoms) for stored in read_structures(path)] if path else []


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
        "band_gap": item.band_gap,
        "energy_above_hull": above_hull,
        "space_group": None if item.space_group is None else asdict(item.space_group),
        "start": item.start,
        "start_origin": item.start_origin,
        "converged": item.converged,
        "n_steps": item.n_steps,
        "atoms": to_json(item.atoms),
    }
