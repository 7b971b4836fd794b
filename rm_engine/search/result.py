"""What a search gives back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ase import Atoms

from rm_engine.analysis import SpaceGroup, find_space_group
from rm_engine.spec import StartKind

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure


@dataclass(frozen=True)
class GeneratedStructure:
    """A structure that a search proposes.

    Attributes:
        sample: number of the sample; (seed, sample) draws the same start again.
        atoms: the structure, its cell reduced and in standard orientation, atoms inside.
        pseudo_energy_per_atom: pseudo units.
        converged: whether the relaxation reached ``fmax``.
        n_steps: relaxation steps made.
        start: kind of its start.
        start_origin: what the start was made of: the key of the known structure, or the space group and the Wyckoff
            letters; None for random starts.
        formation_energy_per_atom: estimate, eV/atom; None where the model gives none.
        band_gap: estimate, eV; None for what is no crystal of elements that the estimate has learned.
    """

    sample: int
    atoms: Atoms
    pseudo_energy_per_atom: float
    converged: bool
    n_steps: int
    start: StartKind = "random"
    start_origin: str | None = None
    formation_energy_per_atom: float | None = None
    band_gap: float | None = None

    @property
    def ranking_energy(self) -> float:
        """The energy per atom that ranks structures of one model: its estimate of the formation energy where it gives
        one, else the pseudo energy.
        """
        energy = self.formation_energy_per_atom
        return self.pseudo_energy_per_atom if energy is None else energy

    @cached_property
    def space_group(self) -> SpaceGroup | None:
        """Space group at a tolerance of 0.1 Å; None for anything but a crystal."""
        return find_space_group(self.atoms)

    @property
    def structure(self) -> Structure:
        """The crystal for pymatgen.

        Raises:
            ValueError: not periodic in three dimensions.
        """
        from pymatgen.io.ase import AseAtomsAdaptor  # noqa: PLC0415  # takes a second to import

        if not self.atoms.pbc.all():
            raise ValueError(f"{self.atoms.get_chemical_formula()} is no crystal. Use .atoms.")
        return AseAtomsAdaptor.get_structure(self.atoms)


@dataclass(frozen=True)
class SampleFailure:
    """A sample that gave no structure, with the reason for which its last start was set aside."""

    sample: int
    reason: str


@dataclass(frozen=True)
class GenerationResult:
    """Structures, in the order of their samples, and samples that gave none."""

    structures: list[GeneratedStructure]
    failures: list[SampleFailure]


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Attributes:
        n_samples: samples asked for.
        n_done: samples that have their structure.
        n_steps: relaxation steps made by the batch now running.
    """

    n_samples: int
    n_done: int
    n_steps: int
