"""Random structure search on the pseudo energy surface: draw starts, relax them together, keep what is a structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ase import Atoms

from rm_engine.checkpoint import Model
from rm_engine.errors import SearchError
from rm_engine.files import to_json
from rm_engine.search.aim import is_met
from rm_engine.search.result import GeneratedStructure, GenerationResult
from rm_engine.search.sampling import OnProgress, OnStructure, Sampling
from rm_engine.search.starts import Starts
from rm_engine.search.substitution import Reference
from rm_engine.spec import GenerationSpec, SeedStructure, default_n

_MAX_ATTEMPTS: Final = 5
"""Starts that a sample may use up before it is given up."""

_MAX_MOLECULE_ATTEMPTS: Final = 16
"""The same for molecules: by composition, one start in two to one in ten becomes a molecule."""


def generate(  # the options are checked by GenerationSpec
    model: Model,
    composition: str,
    n: int | None = None,
    seed: int = 0,
    *,
    references: Sequence[Reference | Atoms] = (),
    on_progress: OnProgress | None = None,
    on_structure: OnStructure | None = None,
    **options: Any,  # noqa: ANN401
) -> list[GeneratedStructure]:
    """Propose structures for a composition, those that meet the target first, and of them the lowest energy per atom
    (see :attr:`GeneratedStructure.ranking_energy`).

    Args:
        model: from :func:`rm_engine.load_model`.
        composition: formula as written, e.g. ``LiS2``, or a chemical system, e.g. ``Li-S``: the samples are then shared
            among its likely formulas.
        n: number of structures; by default 30 for a formula, 200 for a chemical system.
        seed: the same seed gives the same structures.
        references: known structures, with keys or without, into which elements are substituted for starts.
        on_progress: called every few relaxation steps.
        on_structure: called with each structure as soon as it is final, in whatever order they come.
        options: other fields of :class:`rm_engine.spec.GenerationSpec`; ``formula_units`` may be a single number,
            ``seed_structure`` atoms of ASE.

    Raises:
        InputError: a value out of its bounds, or an element that the model does not know.
        SearchError: no sample gave a structure.
    """
    units = options.pop("formula_units", None)
    if isinstance(options.get("seed_structure"), Atoms):
        options["seed_structure"] = SeedStructure.from_json(to_json(options["seed_structure"]))
    spec = GenerationSpec(
        composition=composition,
        n=default_n(composition) if n is None else n,
        seed=seed,
        model=model.card.name,
        formula_units=(units,) if isinstance(units, int) else units,
        **options,
    )
    known = [item if isinstance(item, tuple) else (str(row), item) for row, item in enumerate(references)]
    result = generate_samples(
        model, spec, range(spec.n), references=known, on_progress=on_progress, on_structure=on_structure
    )
    if not result.structures:
        raise SearchError(f"None of {spec.n} samples of {composition} gave a structure: {result.failures[0].reason}")
    return sorted(result.structures, key=lambda found: (not is_met(spec.target, found), found.ranking_energy))


def generate_samples(
    model: Model,
    spec: GenerationSpec,
    samples: Sequence[int],
    *,
    references: Sequence[Reference] = (),
    on_progress: OnProgress | None = None,
    on_structure: OnStructure | None = None,
) -> GenerationResult:
    """Generate some samples of a run.

    A start that is set aside (its cell collapses, its atoms fuse) is drawn anew, at most five times. So is one that
    relaxes to pieces or radicals instead of a molecule, at most 16 times; if none does better, the lowest of them is
    the sample's structure.

    Args:
        model: the model.
        spec: the run; ``spec.match`` does not matter here, nor ``spec.n`` where the composition is a formula.
        samples: which samples.
        references: key and structure of what is known; some starts substitute into those of the same stoichiometry
            pattern.
        on_progress: called every few relaxation steps; what it raises ends the run.
        on_structure: called with each structure as soon as it is final, in whatever order they come; likewise.

    Raises:
        InputError: the model does not know an element.
    """
    spec.check_against(model.card)
    sampling = Sampling(model, spec, samples, Starts(spec, model.card, references), on_progress, on_structure)
    for attempt in range(_MAX_MOLECULE_ATTEMPTS if spec.is_molecule else _MAX_ATTEMPTS):
        sampling.try_pending(attempt)
    return sampling.finish()
