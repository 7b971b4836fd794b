"""The energies of the elements by another potential: ``python -m rm_engine.evaluation.element_energies DATA``.

A formation energy is the energy of a crystal less those of its elements. Of many an element no crystal of 20 atoms is
at hand; but the formation energies of compounds are, and with the potential's own energies of the same compounds they
tell what each element must have.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from rm_engine.adapters import chgnet
from rm_engine.errors import RMEngineError
from rm_engine.files import read_structures
from rm_engine.training import find_mp20
from rm_engine.units import SYMBOLS

_N_STRUCTURES: Final = 3000
_LEAST: Final = 5
"""Structures with an element, of which fewer do not say what energy it has."""
_TOLD_EVERY: Final = 250
_ROUNDS: Final = 20
"""Of the fit, in which structures that lie far off count less each time."""


def fit_element_energies(
    structures: Sequence[Atoms], energies: Sequence[float], formation_energies: Sequence[float]
) -> tuple[dict[str, float], float]:
    """What the elements' energies per atom must be, by least absolute residuals (iteratively reweighted).

    Args:
        structures: crystals.
        energies: (n_structures,) of each by the potential, eV/atom.
        formation_energies: (n_structures,) of each as known, eV/atom.

    Returns:
        Energies by symbol, eV/atom, and the mean absolute residual, eV/atom.
    """
    counts = np.array([np.bincount(atoms.numbers, minlength=len(SYMBOLS)) / len(atoms) for atoms in structures])
    kept = np.flatnonzero((counts > 0).sum(axis=0) >= _LEAST)
    rows = counts[:, kept].sum(axis=1) > 1 - 1e-9
    fractions, wanted = counts[rows][:, kept], (np.array(energies) - np.array(formation_energies))[rows]
    weights = np.ones(len(wanted))
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        solution, *_ = np.linalg.lstsq(fractions * root[:, None], wanted * root, rcond=None)
        residuals = np.abs(wanted - fractions @ solution)
        weights = 1 / np.maximum(residuals, 1e-3)
    found = {SYMBOLS[number]: round(float(energy), 4) for number, energy in zip(kept, solution, strict=True)}
    return found, float(residuals.mean())


def main(data: Path) -> None:
    """Fit to MP-20 and write what the adapter reads."""
    stored = [each for each in read_structures(find_mp20(data)) if _label(each.info) is not None]
    chosen = [stored[row] for row in np.random.default_rng(0).permutation(len(stored))[:_N_STRUCTURES]]
    structures, energies, labels = [], [], []
    for place, each in enumerate(chosen):
        if place % _TOLD_EVERY == 0:
            sys.stderr.write(f"{place} of {len(chosen)} crystals\n")
        try:
            energies.append(chgnet.ask_chgnet(each.atoms, max_steps=0).energy_per_atom)
        except chgnet.NoOpinionError as error:
            sys.stderr.write(f"{each.name}: {error}\n")
            continue
        structures.append(each.atoms)
        labels.append(_label(each.info) or 0.0)
    found, residual = fit_element_energies(structures, energies, labels)
    record: dict[str, Any] = {
        "potential": f"CHGNet {chgnet.VERSION}",
        "source": "fitted to formation energies of MP-20 (Materials Project, CC BY 4.0)",
        "n_structures": len(structures),
        "mean_absolute_residual": round(residual, 4),
        "energies": found,
    }
    chgnet.ELEMENTS.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} elements, {residual:.3f} eV/atom off on average, in {chgnet.ELEMENTS}\n")


def _label(info: dict[str, Any]) -> float | None:
    value = float(info.get("formation_energy_per_atom", math.nan))
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (IndexError, RMEngineError) as error:
        sys.exit(f"Give the folder of the data sets: {error}")
