"""Response Matching: noise on structures, and the pseudo forces and stresses that answer it."""

from rm_engine.response.noise import NoisyBatch, shake
from rm_engine.response.pseudo import PseudoResponse, elastic_stresses, repulsive_forces, respond

__all__ = ["NoisyBatch", "PseudoResponse", "elastic_stresses", "repulsive_forces", "respond", "shake"]
