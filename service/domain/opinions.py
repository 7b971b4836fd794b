"""What another potential makes of structures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.chunks import AtomsJson


@dataclass(frozen=True, kw_only=True)
class AskedStructure:
    """A structure that an opinion is wanted of."""

    id: str
    atoms: AtomsJson


@dataclass(frozen=True, kw_only=True)
class OpinionRecord:
    """What another potential made of a structure.

    Attributes:
        structure_id: the structure.
        potential: which potential, with its version.
        atoms: relaxed on its surface.
        energy_per_atom: eV.
        formation_energy_per_atom: eV/atom; None where an element's energy is not known.
        volume_per_atom: Å³.
        is_kept: whether it is still the same structure.
        converged: whether the relaxation converged.
        n_steps: steps it took.
    """

    structure_id: str
    potential: str
    atoms: AtomsJson
    energy_per_atom: float
    formation_energy_per_atom: float | None
    volume_per_atom: float
    is_kept: bool
    converged: bool
    n_steps: int


@dataclass(frozen=True, kw_only=True)
class OpinionView:
    """An :class:`OpinionRecord` without its atoms, as structures show it."""

    potential: str
    energy_per_atom: float
    formation_energy_per_atom: float | None
    volume_per_atom: float
    is_kept: bool
    converged: bool
    n_steps: int
    job_id: str
    created_at: datetime
