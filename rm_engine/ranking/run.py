"""From a model of the response to one that also ranks: candidates are searched for, then learned from, in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rm_engine.checkpoint import Model, load_model, save_model
from rm_engine.evaluation.campaign import Result, run_campaign
from rm_engine.evaluation.journal import Journal
from rm_engine.files import from_json
from rm_engine.ranking.candidates import CandidateSearch, CandidateSpec
from rm_engine.ranking.data import Candidate, KnownStructure, RankingData
from rm_engine.ranking.trainer import RankingTrainer
from rm_engine.spec import RankingSpec, TrainingSpec, find_model, parse_formula
from rm_engine.training import TrainingWatch, find_end_members, run_in_folder, summarize_curves, summarize_data

CANDIDATES_FILE = "candidates.jsonl"


@dataclass(frozen=True, kw_only=True)
class RankingPlan:
    """How a model that ranks is made.

    Attributes:
        base: name of the model whose response is kept, and on whose surface false minima are searched for.
        pretraining: a training on the response to noise with the architecture of what ranks, whose weights it begins
            with: features that know how structures give way need fewer labels.
        data: recipe whose data both trainings take.
        candidates: how false minima are searched for.
        spec: the training on formation energies and false minima.
    """

    base: str
    pretraining: TrainingSpec
    data: str
    candidates: CandidateSpec
    spec: RankingSpec


def learn_to_rank(
    pretrained: Model,
    plan: RankingPlan,
    known: Sequence[KnownStructure],
    folder: Path,
    *,
    n_workers: int = 1,
    watch: TrainingWatch | None = None,
) -> Model:
    """Give the base model a potential that estimates formation energies; stopped or killed, the same call goes on.

    The folder holds the candidates found (JSON lines), the state and the log of the training, and at the end the
    model's checkpoint.

    Args:
        pretrained: outcome of the pretraining.
        plan: how.
        known: structures, those with formation energies to learn them from.
        folder: made where it is missing.
        n_workers: processes that search for candidates; they do not change what is found.
        watch: who is told of progress.

    Raises:
        CheckpointError: the folder holds a run with other settings.
        TrainingDivergedError: see :func:`rm_engine.training.train`.
    """
    watch = watch or TrainingWatch()
    base = find_model(plan.base)
    search = CandidateSearch(base, [(item.name, item.atoms) for item in known], plan.candidates)
    results = run_campaign(
        search,
        journal=Journal(folder / CANDIDATES_FILE),
        n_workers=n_workers,
        on_result=lambda n_done, _: watch.on_search(n_done, len(search.tasks)),
    )
    training, validation = split_by_composition(known, _read_candidates(results), plan.spec)
    device = pretrained.device
    trainer = RankingTrainer(plan.spec, training, validation, device, pretrained.potential.state_dict())
    run_in_folder(trainer, folder, watch)
    model = replace(load_model(base, device=device), formation=trainer.average.eval().requires_grad_(False))
    finished = _finish(model, pretrained, plan, trainer, training, validation)
    save_model(finished, folder)
    return finished


def split_by_composition(
    known: Sequence[KnownStructure], candidates: Sequence[Candidate], spec: RankingSpec
) -> tuple[RankingData, RankingData]:
    """Training and validation data. Whole compositions are kept out, drawn among those that were searched."""
    formula_of = {item.name: parse_formula(item.atoms.get_chemical_formula("metal")).reduced for item in known}
    searched = sorted({formula_of[candidate.target] for candidate in candidates})
    chosen = np.random.default_rng(spec.seed).permutation(searched)[: round(spec.validation_fraction * len(searched))]
    held_out = set(chosen.tolist())
    parts = [
        RankingData(
            [item for item in known if (formula_of[item.name] in held_out) is is_held_out],
            [item for item in candidates if (formula_of[item.target] in held_out) is is_held_out],
        )
        for is_held_out in (False, True)
    ]
    return parts[0], parts[1]


def _read_candidates(results: Sequence[Result]) -> list[Candidate]:
    return [
        Candidate(found["target"], from_json(found["atoms"]), found["match"])
        for result in results
        for found in result["candidates"]
    ]


def _finish(
    model: Model,
    pretrained: Model,
    plan: RankingPlan,
    trainer: RankingTrainer,
    training: RankingData,
    validation: RankingData,
) -> Model:
    """The model with a card that records all trainings and holds end members of the new kind of energy."""
    record: dict[str, Any] = {
        "base": plan.base,
        "pretraining": {key: pretrained.card.training[key] for key in ("n_steps", "scores", "spec")},
        "candidates": asdict(plan.candidates),
        "n_candidates": len(training.candidates),
        "n_false_minima": sum(item.match is None for item in training.candidates),
        "spec": {key: value for key, value in asdict(plan.spec).items() if key != "potential"},
        "n_steps": trainer.n_steps,
        "scores": asdict(trainer.records[-1]),
        "data": summarize_data([item.atoms for item in training.known], [item.atoms for item in validation.known]),
        "curves": summarize_curves(trainer.records),
    }
    card = replace(
        model.card,
        name=plan.spec.name,
        formation=plan.spec.potential,
        training={**model.card.training, "ranking": record},
    )
    everything = [item.atoms for item in (*training.known, *validation.known)]
    with torch.no_grad():
        ends = find_end_members(replace(model, card=card), everything)
    return replace(model, card=replace(card, reference_energies=ends))
