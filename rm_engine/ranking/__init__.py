"""Learning to rank: false minima that searches run into, and the potential that tells them from known structures."""

from rm_engine.ranking.data import Candidate, KnownStructure, RankingData, load_known
from rm_engine.ranking.recipes import RANKING_RECIPES
from rm_engine.ranking.run import RankingPlan, learn_to_rank
from rm_engine.ranking.trainer import RankingRecord, RankingTrainer

__all__ = [
    "RANKING_RECIPES",
    "Candidate",
    "KnownStructure",
    "RankingData",
    "RankingPlan",
    "RankingRecord",
    "RankingTrainer",
    "learn_to_rank",
    "load_known",
]
