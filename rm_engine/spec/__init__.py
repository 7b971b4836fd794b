"""What a run is: formulas, generation, training, models' cards, limits. Pure Python, no torch."""

from rm_engine.spec.card import ModelCard, PotentialConfig, find_model, list_models, read_card
from rm_engine.spec.cell import Cell
from rm_engine.spec.fingerprint import read_fingerprint
from rm_engine.spec.formula import Formula, parse_formula
from rm_engine.spec.generation import GenerationSpec, default_model, default_n
from rm_engine.spec.model import ModelSpec
from rm_engine.spec.opinion import OpinionSpec
from rm_engine.spec.optimizers import OPTIMIZERS, OptimizerName
from rm_engine.spec.packing import fingerprint_content, pack_model, unpack_card
from rm_engine.spec.parts import Part
from rm_engine.spec.properties import PROPERTIES, PropertyName, PropertyRanges
from rm_engine.spec.seed_structure import SeedStructure
from rm_engine.spec.starts import START_KINDS, USUAL_MIX, StartKind, StartMix
from rm_engine.spec.system import ChemicalSystem, parse_composition
from rm_engine.spec.training import DescentSpec, HeadSpec, NoiseSpec, RankingSpec, TrainingSpec

__all__ = [
    "OPTIMIZERS",
    "PROPERTIES",
    "START_KINDS",
    "USUAL_MIX",
    "Cell",
    "ChemicalSystem",
    "DescentSpec",
    "Formula",
    "GenerationSpec",
    "HeadSpec",
    "ModelCard",
    "ModelSpec",
    "NoiseSpec",
    "OpinionSpec",
    "OptimizerName",
    "Part",
    "PotentialConfig",
    "PropertyName",
    "PropertyRanges",
    "RankingSpec",
    "SeedStructure",
    "StartKind",
    "StartMix",
    "TrainingSpec",
    "default_model",
    "default_n",
    "find_model",
    "fingerprint_content",
    "list_models",
    "pack_model",
    "parse_composition",
    "parse_formula",
    "read_card",
    "read_fingerprint",
    "unpack_card",
]
