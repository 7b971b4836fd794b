"""Is it a molecule? Bonds perceived from the geometry, and the plausibility checks of PoseBusters
(DOI 10.1039/d3sc04185a).
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms

from rm_engine.analysis import bonding

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_CONNECTED: Final = "all_atoms_connected"

PAPER_CHECKS: Final = (
    "sanitization",
    _CONNECTED,
    "bond_lengths",
    "bond_angles",
    "internal_steric_clash",
    "aromatic_ring_flatness",
    "double_bond_flatness",
    "internal_energy",
)
"""The checks of the paper's figure 2, in its order."""

NEWER_CHECKS: Final = ("no_radicals", "inchi_convertible", "non_aromatic_ring_non_flatness")
"""Checks that PoseBusters was given since."""

_GEOMETRY_THRESHOLDS: Final[dict[str, Any]] = {
    "threshold_bad_bond_length": 0.25,
    "threshold_bad_angle": 0.25,
    "threshold_clash": 0.3,
}
_N_CONFORMERS: Final = 50
_N_TRIAL_CONFORMERS: Final = 3
_MOST_ATOMS: Final = 100
"""Atoms up to which the internal energy is found; beyond it takes minutes, and the check has failed."""
_EMBEDDING_SECONDS: Final = 1
"""Time in which a few conformers must be found before an ensemble of them is made; for a cage it would take hours."""


@dataclass(frozen=True)
class MoleculeReport:
    """What a geometry is as a molecule.

    Attributes:
        smiles: canonical SMILES of the molecule with these bonds, without charge as a whole, with radicals only where
            it cannot be without them; None where no bond orders fit.
        is_connected: whether the atoms are bonded to one another in one piece.
        checks: PoseBusters' checks by name, those of the paper (``PAPER_CHECKS``). One that cannot be made, because an
            earlier one failed, has failed.
        newer_checks: those it was given since (``NEWER_CHECKS``); they do not count in ``passes``.
        bonds: (atom, atom, order) of every bond, aromatic ones as single and double; none where ``smiles`` is None.
        charges: (atom, formal charge) of the atoms that have one.
    """

    smiles: str | None
    is_connected: bool
    checks: Mapping[str, bool]
    newer_checks: Mapping[str, bool]
    bonds: tuple[tuple[int, int, int], ...] = ()
    charges: tuple[tuple[int, int], ...] = ()

    @property
    def passes(self) -> bool:
        """Whether all checks of the paper pass."""
        return all(self.checks.values())


def examine_molecule(atoms: Atoms) -> MoleculeReport:
    """Perceive the bonds of a molecule without charge, and check it; never raises for a strange geometry.

    Args:
        atoms: any atoms; periodicity is ignored.
    """
    with _quiet():
        graph = bonding.connect(atoms)
        if graph is None:
            return _report(False, {})
        is_connected = bonding.count_fragments(graph) == 1
        molecule = bonding.assign_bond_orders(graph) or bonding.assign_bond_orders(graph, radicals=True)
        if molecule is None:
            return _report(is_connected, _run_checks(graph))
        return replace(
            _report(is_connected, _run_checks(molecule)),
            smiles=bonding.write_smiles(molecule),
            bonds=bonding.list_bonds(molecule),
            charges=bonding.list_charges(molecule),
        )


def find_molecule_flaw(atoms: Atoms) -> str | None:
    """Why a geometry is no stable molecule without charge, None where it is one; in about a millisecond."""
    with _quiet():
        graph = bonding.connect(atoms)
        if graph is None or bonding.count_fragments(graph) > 1:
            return "its atoms are not all bonded to one another"
        molecule = bonding.assign_bond_orders(graph)
        if molecule is None:
            return "its bonds leave electrons unpaired"
        if bonding.has_lone_charges(molecule):
            return "it has charges apart from each other"
        return "a bond is stretched or squeezed" if bonding.has_strained_bond(molecule) else None


def _report(is_connected: bool, passed: Mapping[str, bool]) -> MoleculeReport:
    old, new = ({name: passed.get(name, False) for name in names} for names in (PAPER_CHECKS, NEWER_CHECKS))
    return MoleculeReport(None, is_connected, old, new)


def _run_checks(molecule: Mol) -> dict[str, bool]:
    """PoseBusters' checks of a molecule by itself, with the thresholds of its configuration ``mol``."""
    import posebusters  # noqa: PLC0415
    from posebusters.modules import flatness  # noqa: PLC0415
    from rdkit import Chem  # noqa: PLC0415

    if Chem.DetectChemistryProblems(molecule):
        return dict(_run_check(posebusters.check_all_atoms_connected, {_CONNECTED: _CONNECTED}, molecule))
    Chem.SanitizeMol(molecule)
    geometry = {
        "bond_lengths_within_bounds": "bond_lengths",
        "bond_angles_within_bounds": "bond_angles",
        "no_internal_clash": "internal_steric_clash",
    }
    plane = partial(posebusters.check_flatness, threshold_flatness=0.25)
    runs: list[tuple[Callable[[Mol], dict[str, Any]], dict[str, str]]] = [
        (posebusters.check_all_atoms_connected, {_CONNECTED: _CONNECTED}),
        (partial(posebusters.check_geometry, **_GEOMETRY_THRESHOLDS), geometry),
        (partial(plane, flat_systems=flatness.flat_rings), {"flatness_passes": "aromatic_ring_flatness"}),
        (partial(plane, flat_systems=flatness.flat_bonds), {"flatness_passes": "double_bond_flatness"}),
        (posebusters.check_radicals, {"no_radicals": "no_radicals"}),
        (posebusters.check_chemistry_using_inchi, {"inchi_convertible": "inchi_convertible"}),
        (
            partial(
                posebusters.check_flatness, threshold_flatness=0.05, flat_systems=flatness.nonflat, check_nonflat=True
            ),
            {"flatness_passes": "non_aromatic_ring_non_flatness"},
        ),
    ]
    if _has_conformers(molecule):
        energy = partial(
            posebusters.check_energy_ratio,
            threshold_energy_ratio=100.0,
            ensemble_number_conformations=_N_CONFORMERS,
            num_threads=1,
        )
        runs.append((energy, {"energy_ratio_passes": "internal_energy"}))
    checks = {name: passed for run, names in runs for name, passed in _run_check(run, names, molecule)}
    return {"sanitization": True, **checks}


def _has_conformers(molecule: Mol) -> bool:
    """Whether distance geometry finds conformers with ease for what PoseBusters makes of a molecule: it goes by the
    InChI, and fills radicals up with hydrogen.
    """
    from rdkit import Chem  # noqa: PLC0415

    return _is_embedded_with_ease(Chem.MolToInchi(molecule))


@lru_cache(maxsize=4096)
def _is_embedded_with_ease(inchi: str) -> bool:
    """The same for an InChI: many samples end in one molecule, whose conformers' energies PoseBusters keeps too."""
    from rdkit import Chem  # noqa: PLC0415
    from rdkit.Chem import rdDistGeom  # noqa: PLC0415

    filled = Chem.MolFromInchi(inchi)
    if filled is None:
        return False
    filled = Chem.AddHs(filled)
    if filled.GetNumAtoms() > _MOST_ATOMS:
        return False
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 0
    parameters.useRandomCoords = True
    parameters.timeout = _EMBEDDING_SECONDS
    return len(rdDistGeom.EmbedMultipleConfs(filled, _N_TRIAL_CONFORMERS, parameters)) == _N_TRIAL_CONFORMERS


def _run_check(
    run: Callable[[Mol], dict[str, Any]], names: Mapping[str, str], molecule: Mol
) -> Iterator[tuple[str, bool]]:
    """One of PoseBusters' modules; what it could not determine is NaN and has not passed."""
    from rdkit import rdBase  # noqa: PLC0415
    from rdkit.Chem import Mol  # noqa: PLC0415

    with rdBase.BlockLogs():  # some of them switch the logs on again
        results = run(Mol(molecule))["results"]
    for key, name in names.items():
        yield name, not np.isnan(results[key]) and bool(results[key])


@contextmanager
def _quiet() -> Iterator[None]:
    """RDKit and PoseBusters tell of everything that a strange geometry lacks; the report says it already."""
    import rdkit  # noqa: PLC0415
    from rdkit import rdBase  # noqa: PLC0415

    # PoseBusters puts there what stderr is at the time; were it closed since, its checks would fail without a word.
    rdkit.log_handler.stream = sys.stderr
    logger = logging.getLogger("posebusters")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), rdBase.BlockLogs():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
