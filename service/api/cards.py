"""The models that a group can ask for: the operator's, in files, and its own, in the database."""

from __future__ import annotations

from rm_engine.errors import ModelNotFoundError
from rm_engine.spec import ModelCard, find_model, read_card
from service.api.services import Services


def find_card(services: Services, name: str, group: str) -> ModelCard:
    """The card of a model that a group knows by that name.

    Raises:
        ModelNotFoundError: there is none.
        CheckpointError: its files cannot be used.
    """
    try:
        return read_card(find_model(name, services.settings.model_directories))
    except ModelNotFoundError:
        with services.store.reading() as tx:
            own = tx.models.find(name, group)
        if own is None:
            raise
        return ModelCard.from_json(own.card)
