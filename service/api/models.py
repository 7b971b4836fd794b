"""``/models``."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from rm_engine.spec import list_models, read_card
from service.api.schemas import ModelItem, ModelList
from service.api.services import Use

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
def get_models(services: Use) -> ModelList:
    """The models, with the elements they know."""
    cards = [read_card(path) for _, path in list_models(services.settings.model_directories)]
    return ModelList(
        items=[
            ModelItem(
                name=card.name,
                elements=list(card.elements),
                potential=asdict(card.potential),
                training=dict(card.training),
            )
            for card in cards
        ]
    )
