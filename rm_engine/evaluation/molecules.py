"""Molecules of given compositions, generated and put through PoseBusters' checks (the paper's figure 2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from ase import Atoms

from rm_engine.analysis import MoleculeReport, examine_molecule
from rm_engine.analysis.molecules import PAPER_CHECKS
from rm_engine.checkpoint import Model, load_model
from rm_engine.evaluation.campaign import Campaign, Result
from rm_engine.evaluation.intervals import Estimate, estimate_share
from rm_engine.evaluation.provenance import fingerprint_atoms
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.search import Starts, generate_samples
from rm_engine.spec import GenerationSpec, parse_formula, read_fingerprint
from rm_engine.spec.generation import MOLECULE
from rm_engine.structure import StructureBatch

COMMON_COMPOSITIONS: Final = ("C5H9NO", "C4H8N2O", "C6H10O", "C5H11NO", "C4H6N2O", "C5H8O2")
"""The six most common compositions of QM7b, 255 to 319 molecules each."""

LARGER_COMPOSITIONS: Final = ("C7H12O", "C6H11NO", "C6H10O2", "C7H13NO", "C6H10N2O", "C7H10O2")
"""Compositions of eight and nine heavy atoms, more than any molecule of QM7b has."""

COLUMNS: Final = (*PAPER_CHECKS, "all", "no_radicals")
"""The checks of the paper, whether all of them pass, and the newer check for radicals, which is not among them."""

Source = Literal["known", "search", "paper"]
"""Molecules of the training set; our search; the protocol of the paper."""

_PAPER_BOX: Final = ((10.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 5.0))
_PAPER_DISTANCE: Final = 0.7
_PAPER_KICK: Final = 1.5
_PAPER_SETTLING: Final = RelaxationConfig(fmax=1e-3, cell="fixed")
_PAPER_FINAL: Final = RelaxationConfig(fmax=2e-4, cell="fixed")


@dataclass(frozen=True)
class MoleculeRecord:
    """A geometry and what its examination found.

    Attributes:
        numbers: (n_atoms,) atomic numbers.
        positions: (n_atoms, 3) Å.
        report: the examination.
    """

    numbers: tuple[int, ...]
    positions: tuple[tuple[float, float, float], ...]
    report: MoleculeReport

    @classmethod
    def examine(cls, atoms: Atoms) -> Self:
        """Examine a geometry."""
        positions = tuple(tuple(row) for row in atoms.positions.round(4).tolist())
        return cls(tuple(atoms.numbers.tolist()), positions, examine_molecule(atoms))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record stored by ``asdict``."""
        report: dict[str, Any] = {
            key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in data["report"].items()
        }
        return cls(tuple(data["numbers"]), tuple(map(tuple, data["positions"])), MoleculeReport(**report))

    @property
    def outcomes(self) -> dict[str, bool]:
        """What ``COLUMNS`` name."""
        return {**self.report.checks, "all": self.report.passes, "no_radicals": self.report.newer_checks["no_radicals"]}

    @property
    def is_proper(self) -> bool:
        """Whether it passes every check of the paper and has no radicals."""
        return self.report.passes and self.report.newer_checks["no_radicals"]


@dataclass(frozen=True)
class MoleculeTask:
    """Molecules that are made or taken together: ``composition`` is empty for those of the training set."""

    source: Source
    composition: str = ""
    seed: int = 0


@dataclass(frozen=True)
class MoleculeGroup:
    """What became of one task.

    Attributes:
        source: where the molecules are from.
        composition: theirs, empty for those of the training set.
        seed: seed of the search.
        n_failures: samples that gave no structure.
        cpu_seconds: processor time of the generation, without the checks.
        records: the molecules.
    """

    source: Source
    composition: str
    seed: int
    n_failures: int
    cpu_seconds: float
    records: tuple[MoleculeRecord, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The group stored by ``asdict``."""
        return cls(**{**data, "records": tuple(MoleculeRecord.from_json(record) for record in data["records"])})


@dataclass(frozen=True, kw_only=True)
class MoleculeCampaign(Campaign[MoleculeTask]):
    """Generates molecules of every composition by every protocol, and examines them and known ones.

    Attributes:
        model: path of the JSON half of a checkpoint.
        compositions: formulas.
        sources: protocols, ``search`` and ``paper``.
        n_samples: of each composition and seed.
        seeds: of the searches.
        known: molecules of the training set, for comparison.
    """

    model: Path
    compositions: tuple[str, ...]
    sources: tuple[Source, ...] = ("search",)
    n_samples: int = 50
    seeds: tuple[int, ...] = (0,)
    known: tuple[Atoms, ...] = ()

    @cached_property
    def tasks(self) -> Sequence[MoleculeTask]:
        """The known ones first, then composition after composition."""
        generated = [
            MoleculeTask(source, composition, seed)
            for composition in self.compositions
            for source in self.sources
            for seed in self.seeds
        ]
        return [*([MoleculeTask("known")] if self.known else []), *generated]

    def identify(self, task: MoleculeTask) -> dict[str, Any]:
        """The task with the fingerprints of what it depends on."""
        if task.source == "known":
            return {"known": [fingerprint_atoms(atoms) for atoms in self.known]}
        return {**asdict(task), "n_samples": self.n_samples, "model": read_fingerprint(self.model)}

    def prepare(self) -> Callable[[MoleculeTask], Result]:
        """Load the model."""
        model = load_model(self.model, device="cpu")

        def do(task: MoleculeTask) -> Result:
            start = time.process_time()
            molecules = self.known if task.source == "known" else self._generate(model, task)
            cpu_seconds = time.process_time() - start
            n_failures = 0 if task.source == "known" else self.n_samples - len(molecules)
            records = tuple(map(MoleculeRecord.examine, molecules))
            return asdict(
                MoleculeGroup(**asdict(task), n_failures=n_failures, cpu_seconds=cpu_seconds, records=records)
            )

        return do

    def _generate(self, model: Model, task: MoleculeTask) -> Sequence[Atoms]:
        spec = GenerationSpec(
            composition=task.composition, n=self.n_samples, seed=task.seed, model=model.card.name, periodic=MOLECULE
        )
        if task.source == "paper":
            return generate_as_paper(model, spec)
        return [found.atoms for found in generate_samples(model, spec, range(self.n_samples)).structures]


def generate_as_paper(model: Model, spec: GenerationSpec) -> list[Atoms]:
    """Molecules by the paper's protocol: atoms in a box of 10 x 5 x 5 Å with separations of 0.7 Å, relaxed, kicked by
    up to 0.75 Å along every axis, and relaxed again; all that do not blow up are kept.

    Args:
        model: the model.
        spec: composition, number of samples and seed; nothing else of it counts.
    """
    spec = GenerationSpec(
        composition=spec.composition,
        n=spec.n,
        seed=spec.seed,
        model=spec.model,
        periodic=MOLECULE,
        cell=_PAPER_BOX,
        min_distance=_PAPER_DISTANCE,
    )
    spec.check_against(model.card)
    starts = Starts(spec, model.card)
    batch = StructureBatch.from_atoms(
        [starts.draw(sample).atoms for sample in range(spec.n)], dtype=torch.float32, device=model.device
    )
    settled = relax(model.potential, batch, _PAPER_SETTLING).structures
    kick = _PAPER_KICK * (np.random.default_rng(spec.seed).random((settled.n_atoms, 3)) - 0.5)
    kicked = settled.moved(settled.positions + torch.as_tensor(kick).to(settled.positions), settled.cells)
    final = relax(model.potential, kicked, _PAPER_FINAL)
    return [atoms for atoms, reason in zip(final.structures.to_atoms(), final.reasons, strict=True) if reason is None]


def score_molecules(records: Sequence[MoleculeRecord], n_failures: int = 0) -> dict[str, Estimate]:
    """Share that passes by column, with 95 % intervals; a sample that gave no structure has passed nothing."""
    return {
        column: estimate_share([record.outcomes[column] for record in records] + [False] * n_failures)
        for column in COLUMNS
    }


def score_groups(groups: Sequence[MoleculeGroup]) -> dict[str, Estimate]:
    """The same over several groups."""
    records = [record for group in groups for record in group.records]
    return score_molecules(records, sum(group.n_failures for group in groups))


def choose_known(molecules: Sequence[Atoms], n: int, seed: int) -> tuple[Atoms, ...]:
    """``n`` of the molecules at random, in the order in which they are."""
    chosen = np.random.default_rng(seed).choice(len(molecules), min(n, len(molecules)), replace=False)
    return tuple(molecules[row] for row in sorted(chosen.tolist()))


def count_heavy_atoms(composition: str) -> int:
    """Atoms other than hydrogen."""
    return sum(count for symbol, count in parse_formula(composition).counts if symbol != "H")
