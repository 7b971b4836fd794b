"""Training on the response of structures to noise."""

from rm_engine.training.elements import find_end_members
from rm_engine.training.heads import HEAD_RECIPES, HeadPlan, load_labelled, train_head
from rm_engine.training.own import train_own
from rm_engine.training.recipes import RANKING_POTENTIAL, RECIPES, Recipe, TrainingData, find_mp20
from rm_engine.training.record import summarize_curves, summarize_data
from rm_engine.training.run import TrainingWatch, read_log, run_in_folder, train
from rm_engine.training.trainer import EpochRecord, Trainer

__all__ = [
    "HEAD_RECIPES",
    "RANKING_POTENTIAL",
    "RECIPES",
    "EpochRecord",
    "HeadPlan",
    "Recipe",
    "Trainer",
    "TrainingData",
    "TrainingWatch",
    "find_end_members",
    "find_mp20",
    "load_labelled",
    "read_log",
    "run_in_folder",
    "summarize_curves",
    "summarize_data",
    "train",
    "train_head",
    "train_own",
]
