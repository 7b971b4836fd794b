"""API keys: ``rmatch_<id>_<secret><checksum>``.

The prefix lets scanners find a key that was published by mistake, the id is public and names it in lists and logs, the
secret has 256 random bits, and the checksum tells typing errors and strangers' guesses before a database is asked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Final

_LETTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LETTERS: Final = string.digits + string.ascii_lowercase
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
KEY_PATTERN: Final = f"rmatch_([0-9a-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}"
_KEY: Final = re.compile(KEY_PATTERN)


@dataclass(frozen=True)
class ApiKey:
    """A key as its owner holds it.

    Attributes:
        id: the public part.
        text: the whole key. It is shown once, when it is made, and neither stored nor logged.
    """

    id: str
    text: str = field(repr=False)

    def digest(self, secret: bytes) -> str:
        """What is stored of the key: its HMAC-SHA256 under the server's secret, in hexadecimal."""
        return hmac.digest(secret, self.text.encode("ascii"), hashlib.sha256).hex()

    def has_digest(self, digest: str, secret: bytes) -> bool:
        """Whether that was stored of this key; takes as long for a wrong key as for the right one."""
        return hmac.compare_digest(self.digest(secret), digest)


def new_key() -> ApiKey:
    """A new random key."""
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    secret = "".join(secrets.choice(_LETTERS) for _ in range(_SECRET_LENGTH))
    text = f"rmatch_{key_id}_{secret}"
    return ApiKey(key_id, text + _checksum(text))


def parse_key(text: str) -> ApiKey | None:
    """The key in ``text``; None where its form or its checksum is wrong."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return ApiKey(match[1], text)


def _checksum(text: str) -> str:
    """CRC-32 as six letters, first the least of them."""
    number, letters = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, remainder = divmod(number, len(_LETTERS))
        letters += _LETTERS[remainder]
    return letters
