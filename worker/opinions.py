"""A chunk of structures that another potential is asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rm_engine.adapters import chgnet
from rm_engine.analysis import Matcher
from rm_engine.files import from_json, to_json
from service.domain import AskedStructure, FailedSample, OpinionClaim, OpinionRecord, Progress

_POTENTIAL: Final = f"CHGNet {chgnet.VERSION}"


def ask_about(
    claim: OpinionClaim, asked: Sequence[AskedStructure], on_progress: Callable[[Progress], None], seconds: float
) -> tuple[list[OpinionRecord], list[FailedSample]]:
    """Relax each structure on the surface of the other potential.

    Args:
        claim: the claim under which the chunk runs.
        asked: its structures.
        on_progress: called after every step; what it raises ends the work.
        seconds: how long all of it may take; each structure has its share, and is left where it is then.

    Returns:
        What was found, and of which structures the potential can make nothing.

    Raises:
        OpinionUnavailableError: the potential is not installed here.
    """
    records, failures = list[OpinionRecord](), list[FailedSample]()
    for place, structure in enumerate(asked):

        def tell(n_steps: int, place: int = place) -> None:
            on_progress(Progress(n_finished=place, n_steps=n_steps))

        try:
            records.append(_ask(structure, claim.spec.max_steps, seconds / len(asked), tell))
        except chgnet.NoOpinionError as error:
            failures.append(FailedSample(sample=claim.start + place, reason=str(error)))
    return records, failures


def _ask(
    structure: AskedStructure, max_steps: int, max_seconds: float, on_step: Callable[[int], None]
) -> OpinionRecord:
    atoms = from_json(structure.atoms)
    opinion = chgnet.ask_chgnet(atoms, max_steps=max_steps, max_seconds=max_seconds, on_step=on_step)
    return OpinionRecord(
        structure_id=structure.id,
        potential=_POTENTIAL,
        atoms=to_json(opinion.atoms),
        energy_per_atom=opinion.energy_per_atom,
        formation_energy_per_atom=opinion.formation_energy_per_atom,
        volume_per_atom=opinion.atoms.get_volume() / len(opinion.atoms),
        is_kept=bool(Matcher([(structure.id, atoms)]).find_matches(opinion.atoms)),
        converged=opinion.converged,
        n_steps=opinion.n_steps,
    )
