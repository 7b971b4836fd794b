"""A second opinion: CHGNet (DOI 10.1038/s42256-023-00716-3), a potential of others that learned from density functional
theory, relaxes structures and gives them energies in eV. Its weights come inside its package, the extra ``chgnet``.
"""

from __future__ import annotations

import io
import json
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from rm_engine.errors import RMEngineError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

VERSION: Final = "0.3.0"
"""Of the weights."""

ELEMENTS: Final = Path(__file__).with_name("chgnet_elements.json")
"""Energies of the elements, see :mod:`rm_engine.evaluation.element_energies`."""
_FMAX: Final = 0.05
"""eV/Å, at which a structure counts as relaxed."""


class OpinionUnavailableError(RMEngineError):
    """The package of the potential is not installed."""


class NoOpinionError(RMEngineError):
    """The potential can make nothing of a structure."""


@dataclass(frozen=True)
class Opinion:
    """What a potential of others makes of a structure.

    Attributes:
        atoms: relaxed on its surface.
        energy_per_atom: eV.
        formation_energy_per_atom: eV/atom, against the elements' energies of the same potential; None where one of them
            is not known.
        converged: whether the largest force and stress fell below the limit.
        n_steps: relaxation steps.
    """

    atoms: Atoms
    energy_per_atom: float
    formation_energy_per_atom: float | None
    converged: bool
    n_steps: int


def ask_chgnet(
    atoms: Atoms,
    *,
    max_steps: int = 200,
    max_seconds: float = math.inf,
    on_step: Callable[[int], None] | None = None,
) -> Opinion:
    """Relax a crystal, atoms and cell, and give its energy.

    Args:
        atoms: a crystal, at rest on another surface.
        max_steps: most steps.
        max_seconds: after so long it ends where it is, not converged.
        on_step: called after every step with their number; what it raises ends the relaxation.

    Raises:
        OpinionUnavailableError: the package is not installed.
        NoOpinionError: the potential can make nothing of the structure.
    """
    relaxed: Atoms = atoms.copy()
    with _in_silence():
        relaxed.calc = _load_calculator()
        optimizer = FIRE(FrechetCellFilter(relaxed), logfile=None)
        began, converged = time.monotonic(), False
        try:
            for is_at_rest in optimizer.irun(fmax=_FMAX, steps=max_steps):
                converged = bool(is_at_rest)
                if on_step is not None:
                    on_step(optimizer.nsteps)
                if time.monotonic() - began > max_seconds:
                    break
            energy = float(relaxed.get_potential_energy()) / len(atoms)
        except (ValueError, RuntimeError) as error:  # atoms without neighbours, cells without a graph
            raise NoOpinionError(f"CHGNet can make nothing of {atoms.get_chemical_formula()}: {error}"[:300]) from error
    if not math.isfinite(energy):
        raise NoOpinionError(f"CHGNet gives {atoms.get_chemical_formula()} no finite energy.")
    relaxed.calc = None
    return Opinion(relaxed, energy, _find_formation_energy(relaxed, energy), converged, optimizer.nsteps)


def is_available() -> bool:
    """Whether the package is installed."""
    return find_spec("chgnet") is not None


@cache
def read_element_energies() -> dict[str, float]:
    """Energies per atom of the elements, eV, by symbol: those that formation energies of the Materials Project are
    relative to, fitted to what the potential gives for known crystals.
    """
    energies: dict[str, float] = json.loads(ELEMENTS.read_text(encoding="utf-8"))["energies"]
    return energies


def _find_formation_energy(atoms: Atoms, energy: float) -> float | None:
    known, counts = read_element_energies(), Counter(atoms.get_chemical_symbols())
    if not counts.keys() <= known.keys():
        return None
    return energy - sum(known[symbol] * count for symbol, count in counts.items()) / len(atoms)


@cache
def _load_calculator() -> Calculator:
    if not is_available():
        raise OpinionUnavailableError("CHGNet is not installed where the worker runs. Install rmatch[chgnet] there.")
    from chgnet.model.dynamics import CHGNetCalculator  # noqa: PLC0415  # optional, and takes seconds
    from chgnet.model.model import CHGNet  # noqa: PLC0415

    model = CHGNet.load(model_name=VERSION, use_device="cpu", verbose=False)
    calculator: Calculator = CHGNetCalculator(model, use_device="cpu", on_isolated_atoms="error")
    return calculator


@contextmanager
def _in_silence() -> Iterator[None]:
    """Without what the package prints, and what torch warns of in its code."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")
        yield
