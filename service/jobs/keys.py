"""API keys: made, shown, revoked, replaced, and checked with every request.

Times are by the clock of whoever asks: a key holds for days. A revoked key is refused whatever any clock says, and from
the next request on, as nothing of keys is remembered between requests.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from service.domain import NotFoundError, Principal
from service.domain.errors import InvalidKeyError
from service.domain.keys import KeyRequest, StoredKey
from service.security import ApiKey, new_key, parse_key
from service.store import Store, Transaction

USE_INTERVAL: Final = timedelta(minutes=1)
"""Uses of a key are noted no more often, so that reading does not turn into writing."""


def create_key(store: Store, secret: bytes, request: KeyRequest) -> tuple[ApiKey, StoredKey]:
    """Make a key. The first of the two is for its holder, and cannot be had again.

    Args:
        store: the database.
        secret: the server's, see :func:`service.security.load_secret`.
        request: what it is to allow.
    """
    key, now = new_key(), datetime.now(UTC)
    stored = StoredKey(
        id=key.id,
        digest=key.digest(secret),
        name=request.name,
        group=request.group,
        scopes=request.scopes,
        max_queued_atom_steps=request.max_queued_atom_steps,
        created_at=now,
        expires_at=None if request.lifetime is None else now + request.lifetime,
    )
    with store.transaction() as tx:
        tx.keys.add(stored)
    return key, stored


def list_keys(store: Store) -> list[StoredKey]:
    """All keys, newest first, those that hold no more too."""
    with store.reading() as tx:
        return tx.keys.list_newest()


def revoke_key(store: Store, key_id: str) -> StoredKey:
    """Let a key hold no more, from now on. Revoking again changes nothing.

    Raises:
        NotFoundError: no such key.
    """
    with store.transaction() as tx:
        tx.keys.revoke(key_id, datetime.now(UTC))
        return _find(tx, key_id)


def rotate_key(store: Store, secret: bytes, key_id: str, overlap: timedelta = timedelta()) -> tuple[ApiKey, StoredKey]:
    """Make a key that allows what another does, for as long as that was to hold, and end that one.

    Args:
        store: the database.
        secret: the server's.
        key_id: the key to be replaced.
        overlap: how long it goes on to hold, for its users to change over; none revokes it.

    Raises:
        NotFoundError: no such key.
        InvalidKeyError: it is revoked or has expired.
    """
    key, now = new_key(), datetime.now(UTC)
    with store.transaction() as tx:
        old = _find(tx, key_id)
        old.check(now)
        expires = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        stored = replace(
            old, id=key.id, digest=key.digest(secret), created_at=now, expires_at=expires, last_used_at=None
        )
        tx.keys.add(stored)
        if overlap:
            tx.keys.expire(key_id, now + overlap)
        else:
            tx.keys.revoke(key_id, now)
    return key, stored


def authenticate(store: Store, secret: bytes, text: str) -> Principal:
    """Whoever shows this key.

    Raises:
        InvalidKeyError: it is none, unknown, revoked or expired. That a key is known is told to its holder only.
    """
    key = parse_key(text)
    if key is None:
        raise InvalidKeyError("This is no key of this service: a letter is wrong or missing.")
    now = datetime.now(UTC)
    with store.reading() as tx:
        stored = tx.keys.find(key.id)
    if stored is None or not key.has_digest(stored.digest, secret):
        raise InvalidKeyError("This key is not known.")
    stored.check(now)
    if stored.last_used_at is None or stored.last_used_at <= now - USE_INTERVAL:
        with store.transaction() as tx:
            tx.keys.mark_used(key.id, now, USE_INTERVAL)
    return stored.principal


def _find(tx: Transaction, key_id: str) -> StoredKey:
    stored = tx.keys.find(key_id)
    if stored is None:
        raise NotFoundError("key", key_id)
    return stored
