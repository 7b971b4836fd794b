"""What a training run is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rm_engine.spec.card import PotentialConfig
from rm_engine.spec.properties import PropertyName

NOISE_LADDER: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 32.0)
"""Relative noise amplitudes of the paper; crystals are shaken with 0.05 Å times these, molecules with 0.1 Å."""


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """The noise that structures are shaken with and the response to it (paper, eqs. 8-11).

    Attributes:
        amplitudes: ladder of displacement amplitudes, Å; one is drawn for each visit of a structure, and every
            component is displaced uniformly by up to half of it.
        largest_scaling: cells are scaled isotropically by up to this fraction, in eleven steps.
        cell_noise: every component of the cell is changed uniformly by up to half this fraction of the cube root of
            the volume.
        repulsion_cutoff: pairs closer than this repel each other, Å.
        repulsion_strength: m in the repulsive pair energy m (1 - r²/r_c²)^n.
        repulsion_exponent: n there.
        youngs_modulus: modulus of the isotropic elastic response.
        poissons_ratio: its Poisson ratio.
        smallest_cell: crystals are repeated to at least this many atoms before they are shaken, so that an atom's
            images do not all move with it.
    """

    amplitudes: tuple[float, ...] = tuple(0.05 * step for step in NOISE_LADDER)
    largest_scaling: float = 0.1
    cell_noise: float = 0.1
    repulsion_cutoff: float = 0.75
    repulsion_strength: float = 1.0
    repulsion_exponent: int = 2
    youngs_modulus: float = 1.0
    poissons_ratio: float = 0.3
    smallest_cell: int = 8


_GENTLE: Final = NoiseSpec(amplitudes=(0.0, 0.1, 0.2), largest_scaling=0.02, cell_noise=0.02, smallest_cell=1)


@dataclass(frozen=True, kw_only=True)
class DescentSpec:
    """What every training run has in common.

    Attributes:
        name: name of the model that comes out.
        potential: hyper-parameters of the potential.
        n_epochs: visits of every structure.
        batch_size: structures in a step.
        learning_rate: highest learning rate; it rises over the first ``warmup`` fraction of the steps and falls as a
            cosine to ``final_rate`` of it.
        warmup: fraction of the steps.
        final_rate: fraction of the learning rate at the end.
        weight_decay: decoupled weight decay of AdamW.
        gradient_norm: gradients are clipped to this norm.
        ema_decay: decay of the exponential moving average of the weights, by step; the average is what is validated
            and kept.
        validation_fraction: fraction of the structures kept out for validation, unless a validation set is given.
        seed: seed of weights, order and noise.
    """

    name: str
    potential: PotentialConfig
    n_epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 6e-3
    warmup: float = 0.02
    final_rate: float = 1e-2
    weight_decay: float = 1e-5
    gradient_norm: float = 0.3
    ema_decay: float = 0.999
    validation_fraction: float = 0.05
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingSpec(DescentSpec):
    """A training on the response to noise; each visit of a structure draws fresh noise.

    Attributes:
        noise: the noise.
        force_weight: weight of the mean squared force error in the loss (eq. 12).
        stress_weight: weight of the mean squared stress error.
    """

    noise: NoiseSpec = field(default_factory=NoiseSpec)
    force_weight: float = 1.0
    stress_weight: float = 10.0


@dataclass(frozen=True, kw_only=True)
class RankingSpec(DescentSpec):
    """A training of the potential that estimates formation energies and ranks.

    Attributes:
        contrast_weight: weight of the contrastive term against the error of the formation energies.
        margin: a false minimum should lie this far above the known structure, eV/atom.
        scale: softness of that demand, eV/atom.
        huber: errors of formation energies count linearly from here on, eV/atom.
        noise: structures are shaken a little at every visit, because a relaxation ends near a minimum, not at it.
    """

    contrast_weight: float = 1.0
    margin: float = 0.05
    scale: float = 0.03
    huber: float = 0.1
    noise: NoiseSpec = field(default_factory=lambda: _GENTLE)


@dataclass(frozen=True, kw_only=True)
class HeadSpec(DescentSpec):
    """A training of a potential that estimates a property of crystals.

    Attributes:
        property: which one.
        huber: errors count linearly from here on, in its unit.
        noise: as in :class:`RankingSpec`.
    """

    property: PropertyName
    huber: float = 0.3
    noise: NoiseSpec = field(default_factory=lambda: _GENTLE)
