"""What every training has in common: the optimiser, its schedule, the average of the weights, and the epochs."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from rm_engine.potential import CACE
from rm_engine.spec import DescentSpec
from rm_engine.training.divergence import DivergenceGuard


class ScoredEpoch(Protocol):
    """Scores of one epoch; a dataclass of plain values."""

    @property
    def loss(self) -> float:
        """Mean training loss."""


Spec = TypeVar("Spec", bound=DescentSpec)
Record = TypeVar("Record", bound=ScoredEpoch)
OnStep = Callable[[int, float], None]


class Descent(ABC, Generic[Spec, Record]):
    """Everything that changes during training: weights, their average, the optimiser and the count of steps.

    Attributes:
        spec: the run.
        potential: the potential in training.
        average: exponential moving average of its weights; what is validated and kept.
        optimizer: AdamW.
        n_steps: optimiser steps done.
        records: scores of the epochs done.
        guard: what stops the run when it diverges.
    """

    record_type: ClassVar[type]

    def __init__(self, spec: Spec, potential: CACE) -> None:
        self.spec = spec
        self.potential = potential
        self.average = copy.deepcopy(potential)
        self.optimizer = torch.optim.AdamW(
            potential.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, foreach=True
        )
        self.n_steps = 0
        self.records: list[Record] = []
        self.guard = DivergenceGuard()

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""

    @abstractmethod
    def run_epoch(self, epoch: int, on_step: OnStep) -> Record:
        """Make the steps of an epoch (from 0) and score it."""

    def run(self, on_step: OnStep | None = None) -> Iterator[Record]:
        """Train to the end, epoch by epoch, from wherever the state stands.

        Args:
            on_step: called with the number of steps done and the loss after every step.

        Raises:
            TrainingDivergedError: see :class:`DivergenceGuard`; weights and records are those of before the step.
        """
        for epoch in range(len(self.records), self.spec.n_epochs):
            record = self.run_epoch(epoch, on_step or (lambda _n_steps, _loss: None))
            self.records.append(record)
            yield record

    def descend(self, loss: Tensor) -> float:
        """One optimiser step down a loss; its value."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.potential.parameters(), self.spec.gradient_norm)
        value = float(loss.detach())
        self.guard.check(self.n_steps, value, float(norm))
        self.optimizer.step()
        self.n_steps += 1
        self._update_average()
        return value

    def learning_rate(self) -> float:
        """Learning rate of the next step: a linear rise, then half a cosine."""
        spec = self.spec
        progress = self.n_steps / max(1, spec.n_epochs * self.steps_per_epoch)
        if progress < spec.warmup:
            return spec.learning_rate * max(progress, 1e-3) / spec.warmup
        fall = (progress - spec.warmup) / (1 - spec.warmup)
        cosine = (1 + math.cos(math.pi * min(1.0, fall))) / 2
        return spec.learning_rate * (spec.final_rate + (1 - spec.final_rate) * cosine)

    def _update_average(self) -> None:
        """Move the average; early on with a shorter memory, so that the initial weights do not linger."""
        decay = min(self.spec.ema_decay, (1 + self.n_steps) / (10 + self.n_steps))
        with torch.no_grad():
            for average, current in zip(self.average.parameters(), self.potential.parameters(), strict=True):
                average.lerp_(current, 1 - decay)


def make_potential(spec: DescentSpec, device: torch.device | str, initial: Mapping[str, Tensor] | None = None) -> CACE:
    """A potential with these weights, or with random ones that follow from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        potential = CACE(spec.potential)
    if initial is not None:
        potential.load_state_dict(initial)
    return potential.to(device)


def seeded_generator(*seed: int) -> torch.Generator:
    """A source of randomness that follows from (seed, stream, count) alone, so that resuming needs no state of it."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
