"""A chunk of samples: relaxed together, compared with the known structures, made ready for the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ase import Atoms

from rm_engine import search
from rm_engine.analysis import Matcher, examine_molecule
from rm_engine.checkpoint import Model
from rm_engine.files import from_json, to_json
from service.domain import FailedSample, GeneratedRecord, GenerationClaim, Match, MoleculeRecord, Progress, Reference


def generate_chunk(
    claim: GenerationClaim, model: Model, prototypes: Iterable[Reference], on_progress: Callable[[Progress], None]
) -> search.GenerationResult:
    """Generate the samples of a chunk.

    Args:
        claim: which samples of which run.
        model: the run's model.
        prototypes: known crystals into which elements can be put.
        on_progress: called every few relaxation steps; what it raises ends the run.

    Raises:
        InputError: the model does not know an element.
    """

    def forward(progress: search.Progress) -> None:
        on_progress(Progress(n_finished=progress.n_done, n_steps=progress.n_steps))

    known = [(reference.id, from_json(reference.atoms)) for reference in prototypes]
    samples = range(claim.start, claim.stop)
    return search.generate_samples(model, claim.spec, samples, references=known, on_progress=forward)


def make_records(
    result: search.GenerationResult, fingerprint: str, matcher: Matcher[str], check: Callable[[], None]
) -> tuple[list[GeneratedRecord], list[FailedSample]]:
    """What is stored of a chunk: each of its samples in one of the two lists, with the references that it matches.

    Args:
        result: what was generated.
        fingerprint: that of the model which generated it.
        matcher: finds the known structures that they match.
        check: called before each structure, which may take a while to examine; what it raises ends the work.
    """
    records = []
    for structure in result.structures:
        check()
        records.append(_record(structure, fingerprint, matcher))
    failures = [FailedSample(sample=failure.sample, reason=failure.reason) for failure in result.failures]
    return records, failures


def _record(structure: search.GeneratedStructure, fingerprint: str, matcher: Matcher[str]) -> GeneratedRecord:
    space_group = structure.space_group
    is_molecule = not structure.atoms.pbc.any()
    return GeneratedRecord(
        sample=structure.sample,
        atoms=to_json(structure.atoms),
        model_fingerprint=fingerprint,
        start=structure.start,
        start_origin=structure.start_origin,
        pseudo_energy_per_atom=structure.pseudo_energy_per_atom,
        formation_energy_per_atom=structure.formation_energy_per_atom,
        band_gap=structure.band_gap,
        converged=structure.converged,
        n_steps=structure.n_steps,
        space_group_number=None if space_group is None else space_group.number,
        space_group_symbol=None if space_group is None else space_group.symbol,
        matches=tuple(Match(reference_id=match.key, rms=match.rms) for match in matcher.find_matches(structure.atoms)),
        molecule=_examine(structure.atoms) if is_molecule else None,
    )


def _examine(atoms: Atoms) -> MoleculeRecord:
    report = examine_molecule(atoms)
    return MoleculeRecord(
        smiles=report.smiles,
        is_connected=report.is_connected,
        checks=report.checks,
        passes_checks=report.passes,
        bonds=report.bonds,
        charges=report.charges,
    )
