"""API keys as they are kept: whose they are, what they allow, how long."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from service.domain.access import PUBLIC_GROUP, Principal, Scope
from service.domain.errors import InvalidKeyError, ServiceError

_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MAX_NAME: Final = 100
_MAX_LIFETIME: Final = timedelta(days=36_500)


def check_group(name: str) -> None:
    """Raise :class:`ServiceError` unless this can be the name of a group."""
    if not _GROUP.fullmatch(name):
        raise ServiceError(f"{name[:80]!r} is no group: give up to 64 letters, digits, '.', '_' and '-'.")


@dataclass(frozen=True, kw_only=True)
class KeyRequest:
    """A key to be made.

    Attributes:
        name: who or what holds it, for people.
        group: whose jobs, structures and references it opens.
        scopes: what it allows.
        lifetime: how long it holds; None for ever.
        max_queued_atom_steps: how much work may wait at a time; None for as much as anybody's.

    Raises:
        ServiceError: a field is out of its bounds.
    """

    name: str
    group: str = PUBLIC_GROUP
    scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.WRITE})
    lifetime: timedelta | None = None
    max_queued_atom_steps: int | None = None

    def __post_init__(self) -> None:
        """Check the fields."""
        if not (self.name.isprintable() and 0 < len(self.name) <= _MAX_NAME):
            raise ServiceError(f"{self.name[:80]!r} is no name of a key: give 1 to {_MAX_NAME} printable characters.")
        check_group(self.group)
        if not self.scopes:
            raise ServiceError(f"A key needs a scope: {', '.join(Scope)}.")
        if self.lifetime is not None and not timedelta() < self.lifetime <= _MAX_LIFETIME:
            raise ServiceError(f"A key must hold for some time, and {_MAX_LIFETIME.days} days at most, or for ever.")
        if self.max_queued_atom_steps is not None and self.max_queued_atom_steps < 0:
            raise ServiceError(f"A quota is no less than 0 atom-steps, not {self.max_queued_atom_steps}.")


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """A key as the database has it; the key itself is with its holder only.

    Attributes:
        id: the public part.
        digest: HMAC-SHA256 of the whole key under the server's secret, in hexadecimal.
        name: see :class:`KeyRequest`, as for the group, the scopes and the quota.
        created_at: when it was made.
        expires_at: when it stops to hold; None for never.
        revoked_at: when it was revoked; None while it is not.
        last_used_at: to the minute; None before the first time.
    """

    id: str
    digest: str = field(repr=False)
    name: str
    group: str
    scopes: frozenset[Scope]
    max_queued_atom_steps: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def principal(self) -> Principal:
        """Whoever shows this key."""
        return Principal(self.id, self.group, self.scopes, self.max_queued_atom_steps)

    def check(self, now: datetime) -> None:
        """See that it holds.

        Raises:
            InvalidKeyError: it is revoked or has expired.
        """
        if self.revoked_at is not None:
            raise InvalidKeyError("This key was revoked. Ask for a new one.")
        if self.expires_at is not None and self.expires_at <= now:
            raise InvalidKeyError("This key has expired. Ask for a new one.")
