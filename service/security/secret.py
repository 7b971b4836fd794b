"""The server's secret, under which keys are digested: a copy of the database alone lets nobody try keys."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from service.domain.errors import ServiceError
from service.settings import Settings

SECRET_FILE: Final = "key-secret"  # noqa: S105  a name
_MIN_LENGTH: Final = 32
_MIN_DIFFERENT: Final = 8
_PLACEHOLDERS: Final = ("change", "default", "example", "password", "replace", "rmatch", "secret")
_WAY_OUT: Final = "Set it to the output of `openssl rand -hex 32`."


def load_secret(settings: Settings) -> bytes:
    """The secret that is set; in embedded mode, where none is, one kept in the data directory, made at first use.

    Raises:
        ServiceError: there is none, it is short or a placeholder, or others may read its file.
    """
    if settings.key_secret:
        return _check(settings.key_secret)
    if settings.is_embedded:
        return _keep(settings.data_dir / SECRET_FILE)
    raise ServiceError(f"Keys need a secret of the server, and RMATCH_KEY_SECRET is empty. {_WAY_OUT}")


def _check(text: str) -> bytes:
    if len(text) < _MIN_LENGTH or len(set(text)) < _MIN_DIFFERENT:
        raise ServiceError(f"RMATCH_KEY_SECRET is too easy to guess: it has {len(text)} characters. {_WAY_OUT}")
    for word in _PLACEHOLDERS:
        if word in text.lower():
            raise ServiceError(f"RMATCH_KEY_SECRET is a placeholder: it has {word!r} in it. {_WAY_OUT}")
    return text.encode()


def _keep(path: Path) -> bytes:
    """The content of a file that only its owner may read; of several processes that make it, one succeeds."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(descriptor)
            _link(draft, path)
        finally:
            draft.unlink()
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ServiceError(f"Others may read the server's secret. Run: chmod 600 {path}")
    return _check(path.read_text(encoding="ascii").strip())


def _link(draft: Path, path: Path) -> None:
    """Give a complete file its name, unless somebody was faster."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
