"""Requests that may be sent again: a key that the client chose, and what it stood for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class RepeatableRequest:
    """A request under an idempotency key.

    Attributes:
        key: the key as the client sent it.
        digest: of the group and the key; what is stored.
        fingerprint: of the request; one of another fingerprint under the same key is another request.
    """

    key: str
    digest: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, request: Mapping[str, Any], group: str) -> Self:
        """A request as plain data, its fields in any order. The same key of two groups is two keys."""
        return cls(key, _hash(json.dumps([group, key])), _hash(json.dumps(request, sort_keys=True)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
