"""A training: goes on from the state that the database holds, keeps it there, and gives way to others in between."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from rm_engine.checkpoint import Model
from rm_engine.errors import RMEngineError, TrainingDivergedError
from rm_engine.files import from_json
from rm_engine.spec import pack_model
from rm_engine.training import TrainingWatch, train_own
from rm_engine.training.run import LOG_FILE, STATE_FILE
from service.domain import Progress, StoreUnavailableError, TrainingClaim
from service.jobs import load_training, record_model, save_training
from service.store import Store
from worker.causes import ChunkStoppedError
from worker.lease import Heartbeat, LeaseLostError
from worker.outage import wait_out

_KEEP_SECONDS: Final = 2.0
"""The state is stored this often: so much is lost with a worker, and so old is a curve that somebody looks at."""

_log = structlog.get_logger(__name__)


class TurnOverError(ChunkStoppedError):
    """The training has had its turn: its state is stored, and it goes on when it comes up again."""


class TrainingFailedError(RMEngineError):
    """No attempt at this training would learn anything."""


def train_model(
    store: Store,
    claim: TrainingClaim,
    base: Model | None,
    heartbeat: Heartbeat,
    turn_seconds: float,
    *,
    device: str,
) -> bool:
    """Train a model and record it; False when the claim no longer held.

    Args:
        store: the database.
        claim: the training.
        base: the model that it begins with.
        heartbeat: keeps the claim, and says when to stop.
        turn_seconds: after so long others come first.
        device: where to train, ``cpu`` or ``cuda``.

    Raises:
        InputError: the structures cannot be learned from.
        TrainingFailedError: the training diverged.
        TurnOverError, LeaseLostError, StopRequestedError, ChunkTimeoutError: it is to stop here.
    """
    structures, state = load_training(store, claim)
    with TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        if state is not None:
            (folder / STATE_FILE).write_bytes(state)
        keeper = _Keeper(store, claim, folder, heartbeat, turn_seconds)
        watch = TrainingWatch(on_step=keeper.on_step, on_epoch=keeper.on_epoch)
        atoms = [from_json(each) for each in structures]
        source = f"{len(atoms)} structure{'s' if len(atoms) > 1 else ''} given to the service"
        try:
            model = train_own(claim.spec, atoms, folder, base=base, source=source, device=device, watch=watch)
        except TrainingDivergedError as error:
            way_out = "Check that the structures are at rest, or train with another seed."
            raise TrainingFailedError(f"The training diverged at step {error.step}. {way_out}") from error
        weights = (folder / f"{model.card.name}.safetensors").read_bytes()
        content, curve = pack_model(model.card.to_json(), weights), _read_curve(folder)
    return wait_out(lambda: record_model(store, claim, model.card, content, curve), turn_seconds, heartbeat.check)


class _Keeper:
    """Tells how far a training is, and keeps its state in the database."""

    def __init__(
        self, store: Store, claim: TrainingClaim, folder: Path, heartbeat: Heartbeat, turn_seconds: float
    ) -> None:
        self._store = store
        self._claim = claim
        self._folder = folder
        self._heartbeat = heartbeat
        self._n_epochs = 0
        self._kept = time.monotonic()
        self._turn_ends = self._kept + turn_seconds

    def on_step(self, n_steps: int, _loss: float) -> None:
        self._heartbeat.beat(Progress(n_finished=self._n_epochs, n_steps=n_steps))

    def on_epoch(self, record: Any) -> None:  # noqa: ANN401  # as TrainingWatch has it
        self._n_epochs = record.epoch
        now = time.monotonic()
        is_over = now > self._turn_ends and self._n_epochs < self._claim.spec.n_epochs
        if (is_over or now - self._kept > _KEEP_SECONDS) and self._keep():
            self._kept = now
            if is_over:
                raise TurnOverError("The training has had its turn.")

    def _keep(self) -> bool:
        """Store the state of the epochs so far; False where the database does not answer: then with a later one."""
        state, curve = (self._folder / STATE_FILE).read_bytes(), _read_curve(self._folder)
        try:
            is_held = save_training(self._store, self._claim, state, curve)
        except StoreUnavailableError as error:
            _log.warning("training_not_kept", error=str(error))
            return False
        if not is_held:
            raise LeaseLostError("Another worker has the training, or it is over.")
        return True


def _read_curve(folder: Path) -> Sequence[Mapping[str, Any]]:
    """The scores of every epoch."""
    return [json.loads(line) for line in (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()]
