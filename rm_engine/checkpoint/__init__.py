"""Trained models: card and weights on disk, and ready to use."""

from rm_engine.checkpoint.calculator import RMCalculator, check_elements
from rm_engine.checkpoint.heads import estimate_band_gaps, find_head
from rm_engine.checkpoint.model import Model
from rm_engine.checkpoint.store import copy_parameters, load_model, read_model, read_tensors, replace_file, save_model

__all__ = [
    "Model",
    "RMCalculator",
    "check_elements",
    "copy_parameters",
    "estimate_band_gaps",
    "find_head",
    "load_model",
    "read_model",
    "read_tensors",
    "replace_file",
    "save_model",
]
