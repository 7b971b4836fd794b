"""Heads: potentials whose energy is a property times the number of atoms. They come with the package."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from rm_engine.checkpoint.model import Model
from rm_engine.checkpoint.store import load_model
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, estimate_energies
from rm_engine.spec.properties import PROPERTIES, SHIPPED_HEADS, PropertyName
from rm_engine.structure import StructureBatch
from rm_engine.units import ATOMIC_NUMBERS


@lru_cache
def load_head(name: PropertyName, device: torch.device) -> Model:
    """The head of a property that has one for every model.

    Raises:
        ModelNotFoundError: its checkpoint is not there.
        CheckpointError: it cannot be used.
    """
    return load_model(SHIPPED_HEADS / f"{name}.json", device=device)


def find_head(model: Model, name: PropertyName) -> CACE | None:
    """What estimates a property of structures on a model's surface; None where nothing does."""
    return load_head(name, model.device).potential if PROPERTIES[name].is_head else model.formation


def estimate_band_gaps(batch: StructureBatch) -> Tensor | None:
    """(n_structures,) estimates of band gaps as PBE gives them, eV; None where one of them is no crystal or has an
    element that the head has not learned.
    """
    if not batch.is_crystal.all():
        return None
    head = load_head("band_gap", batch.cells.device)
    if not {ATOMIC_NUMBERS[symbol] for symbol in head.card.elements}.issuperset(batch.numbers.tolist()):
        return None
    neighbors = build_neighbor_list(batch, head.potential.config.cutoff)
    gaps = estimate_energies(head.potential, batch, neighbors) / batch.sizes
    return gaps.clamp(min=PROPERTIES["band_gap"].lowest)
