"""Training on the response of structures to noise."""

from rm_engine.training.recipes import RECIPES, Recipe, TrainingData, load_files
from rm_engine.training.run import LOG_FILE, TrainingWatch, train
from rm_engine.training.trainer import EpochRecord, Trainer

__all__ = [
    "LOG_FILE",
    "RECIPES",
    "EpochRecord",
    "Recipe",
    "Trainer",
    "TrainingData",
    "TrainingWatch",
    "load_files",
    "train",
]
