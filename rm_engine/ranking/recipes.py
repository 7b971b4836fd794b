"""Recipes of shipped models that rank."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rm_engine.ranking.candidates import CandidateSpec
from rm_engine.ranking.run import RankingPlan
from rm_engine.spec import RankingSpec
from rm_engine.training import RANKING_POTENTIAL, RECIPES

_MP20 = RECIPES["mp20"].spec
_PRETRAINED = replace(RANKING_POTENTIAL, core_contact=_MP20.potential.core_contact)

RANKING_RECIPES: Final = {
    "mp20-plus": RankingPlan(
        base="mp20",
        pretraining=replace(_MP20, name="mp20-pretrained", potential=_PRETRAINED, n_epochs=30),
        data="mp20",
        candidates=CandidateSpec(n_targets=1936),
        spec=RankingSpec(
            name="mp20-plus",
            potential=RANKING_POTENTIAL,
            n_epochs=12,
            batch_size=64,
            learning_rate=2e-3,
            gradient_norm=1.0,
        ),
    ),
}
