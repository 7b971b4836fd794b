"""The api_keys table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, or_, select, update

from service.domain import Scope
from service.domain.keys import StoredKey
from service.store.tables import api_keys


@dataclass(frozen=True)
class KeyRepository:
    """API keys within one transaction."""

    connection: Connection

    def add(self, key: StoredKey) -> None:
        """Store a new key."""
        row = asdict(key)
        row |= {"group_name": row.pop("group"), "scopes": sorted(key.scopes)}
        self.connection.execute(api_keys.insert().values(row))

    def find(self, key_id: str) -> StoredKey | None:
        """The key of that id; None where there is none."""
        row = self.connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().one_or_none()
        return None if row is None else _key(row)

    def list_newest(self) -> list[StoredKey]:
        """All keys, newest first."""
        query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        return [_key(row) for row in self.connection.execute(query).mappings()]

    def revoke(self, key_id: str, now: datetime) -> None:
        """Note that a key holds no more; one that was revoked before keeps that time."""
        is_open = api_keys.c.revoked_at.is_(None)
        self.connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_open).values(revoked_at=now))

    def expire(self, key_id: str, at: datetime) -> None:
        """Let a key hold until then, and no longer than it would anyway."""
        is_longer = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > at)
        self.connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_longer).values(expires_at=at))

    def mark_used(self, key_id: str, now: datetime, interval: timedelta) -> None:
        """Note the use of a key, unless another was noted within the interval."""
        used = api_keys.c.last_used_at
        is_old = or_(used.is_(None), used <= now - interval)
        self.connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_old).values(last_used_at=now))


def _key(row: RowMapping) -> StoredKey:
    columns = dict(row)
    scopes = frozenset(map(Scope, columns.pop("scopes")))
    return StoredKey(group=columns.pop("group_name"), scopes=scopes, **columns)
