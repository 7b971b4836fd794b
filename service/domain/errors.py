"""The errors of the service: one root; the message says what, which value, and the way out."""

from __future__ import annotations

from service.domain.quotas import Backlog


class ServiceError(Exception):
    """Root of every error the service raises on purpose."""


class NotFoundError(ServiceError):
    """There is no job, structure, reference or model of that id.

    Attributes:
        kind: what was looked for, e.g. ``job``.
        key: the id as asked for.
    """

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key[:80]
        super().__init__(f"There is no {kind} {self.key!r}.")


class JobFinishedError(ServiceError):
    """A job that succeeded or failed cannot be cancelled any more."""

    def __init__(self, job_id: str, state: str) -> None:
        self.job_id = job_id
        self.state = state
        super().__init__(f"Job {job_id} has already {state}; only queued and running jobs can be cancelled.")


class NameTakenError(ServiceError):
    """There is a model of that name, or one is being trained."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is a model {name!r} already, or one is being trained. Delete it, or use another name.")


class ModelInUseError(ServiceError):
    """Jobs that have not ended want a model that is to be deleted."""

    def __init__(self, name: str, n_jobs: int) -> None:
        self.name = name
        super().__init__(f"{n_jobs} jobs that have not ended use the model {name!r}. Cancel them, or wait.")


class KeyReusedError(ServiceError):
    """An idempotency key that stands for one request came with another."""

    def __init__(self, key: str, job_id: str) -> None:
        self.key = key
        self.job_id = job_id
        super().__init__(f"This Idempotency-Key stands for another request, which gave job {job_id}. Use a new key.")


class KeyRequiredError(ServiceError):
    """A request came without an API key."""

    def __init__(self) -> None:
        super().__init__("This needs a key. Send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`.")


class InvalidKeyError(ServiceError):
    """An API key is malformed, unknown, expired or revoked."""


class ScopeMissingError(ServiceError):
    """An API key does not allow what was asked."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"This key does not allow to {scope}. Ask for one with the scope `{scope}`.")


class BusyError(ServiceError):
    """Too much of this is going on already; what was asked can be tried again."""


class NoRoomError(ServiceError):
    """There is too much waiting to take one job more.

    Attributes:
        retry_after_seconds: when there will be room, as far as can be told.
    """

    def __init__(self, subject: str, backlog: Backlog, limit: Backlog, atom_steps: int, seconds: int) -> None:
        self.retry_after_seconds = seconds
        super().__init__(
            f"{subject} {backlog} waiting or running and may have {limit}; this one has {atom_steps:,} atom-steps. "
            f"Try again in {seconds:,} s, ask for less (n, formula_units, max_steps), or cancel jobs that you need no "
            "more (DELETE /jobs/{id})."
        )


class QuotaExceededError(NoRoomError):
    """Whoever asks has too much waiting."""

    def __init__(self, backlog: Backlog, limit: Backlog, atom_steps: int, seconds: int) -> None:
        super().__init__("You have", backlog, limit, atom_steps, seconds)


class QueueFullError(NoRoomError):
    """All together have too much waiting."""

    def __init__(self, backlog: Backlog, limit: Backlog, atom_steps: int, seconds: int) -> None:
        super().__init__("All users together have", backlog, limit, atom_steps, seconds)


class ImportOvertakenError(ServiceError):
    """Another process imports the same."""

    def __init__(self, source: str) -> None:
        super().__init__(f"Another process imports {source[:80]!r} as well. This one has stopped, the other goes on.")


class SchemaError(ServiceError):
    """The schema of the database is not one that this version can bring to where it is wanted."""


class StoreUnavailableError(ServiceError):
    """The database does not answer; what was asked can be tried again."""
