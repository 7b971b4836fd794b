"""A chunk of samples: relaxed together, compared with the known structures, made ready for the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rm_engine import search
from rm_engine.analysis import Matcher
from rm_engine.checkpoint import Model
from rm_engine.files import from_json, to_json
from service.domain import Claim, FailedSample, GeneratedRecord, Match, Progress, Reference


def generate_chunk(claim: Claim, model: Model, on_progress: Callable[[Progress], None]) -> search.GenerationResult:
    """Generate the samples of a chunk.

    Args:
        claim: which samples of which run.
        model: the run's model.
        on_progress: called every few relaxation steps; what it raises ends the run.

    Raises:
        InputError: the model does not know an element.
    """

    def forward(progress: search.Progress) -> None:
        on_progress(Progress(n_finished=progress.n_done, n_steps=progress.n_steps))

    return search.generate_samples(model, claim.spec, range(claim.start, claim.stop), on_progress=forward)


def make_records(
    result: search.GenerationResult, references: Iterable[Reference]
) -> tuple[list[GeneratedRecord], list[FailedSample]]:
    """What is stored of a chunk: each of its samples in one of the two lists, with the references that it matches."""
    matcher = Matcher((reference.id, from_json(reference.atoms)) for reference in references)
    records = [_record(structure, matcher) for structure in result.structures]
    failures = [FailedSample(sample=failure.sample, reason=failure.reason) for failure in result.failures]
    return records, failures


def _record(structure: search.GeneratedStructure, matcher: Matcher[str]) -> GeneratedRecord:
    space_group = structure.space_group
    return GeneratedRecord(
        sample=structure.sample,
        atoms=to_json(structure.atoms),
        pseudo_energy_per_atom=structure.pseudo_energy_per_atom,
        converged=structure.converged,
        n_steps=structure.n_steps,
        space_group_number=None if space_group is None else space_group.number,
        space_group_symbol=None if space_group is None else space_group.symbol,
        matches=tuple(Match(reference_id=match.key, rms=match.rms) for match in matcher.find_matches(structure.atoms)),
    )
