"""Waking workers up: the sweeper's half of the promise that no accepted job is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.store import Store


def list_due_chunks(store: Store, *, job_id: str | None = None, limit: int = 1000) -> list[str]:
    """Ids of the chunks that wait for a message, longest due first: queued ones, and those whose lease has expired."""
    with store.reading() as tx:
        return tx.chunks.due(job_id, limit)


def seconds_until_due(store: Store) -> float | None:
    """When the next chunk waits for a message, negative where one does already; None where none ever will."""
    with store.reading() as tx:
        return tx.chunks.seconds_until_due()


def mark_announced(store: Store, chunk_ids: Sequence[str], reannounce_seconds: float) -> None:
    """Note that messages were sent: a chunk nobody takes is due again after ``reannounce_seconds``, then twice that."""
    with store.transaction() as tx:
        tx.chunks.mark_announced(chunk_ids, reannounce_seconds)


def forget_announcements(store: Store) -> int:
    """Let all queued chunks be due: the messages about them are lost. Returns how many there were."""
    with store.transaction() as tx:
        return tx.chunks.forget_announcements()


def announce_due_chunks(
    store: Store,
    announce: Callable[[str], bool],
    reannounce_seconds: float,
    *,
    job_id: str | None = None,
    limit: int = 1000,
) -> int:
    """Announce the due chunks until the broker refuses one; returns how many it took.

    Args:
        store: the database.
        announce: sends the message for a chunk id; False when the broker does not take it.
        reannounce_seconds: see :func:`mark_announced`.
        job_id: only this job's chunks.
        limit: at most so many.
    """
    sent: list[str] = []
    for chunk_id in list_due_chunks(store, job_id=job_id, limit=limit):
        if not announce(chunk_id):
            break
        sent.append(chunk_id)
    if sent:
        mark_announced(store, sent, reannounce_seconds)
    return len(sent)
