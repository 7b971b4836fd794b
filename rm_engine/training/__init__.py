"""Training on the response of structures to noise."""

from rm_engine.training.recipes import RECIPES, Recipe, TrainingData
from rm_engine.training.run import TrainingWatch, read_log, train
from rm_engine.training.trainer import EpochRecord, Trainer

__all__ = [
    "RECIPES",
    "EpochRecord",
    "Recipe",
    "Trainer",
    "TrainingData",
    "TrainingWatch",
    "read_log",
    "train",
]
