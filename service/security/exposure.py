"""Where the service may be shown, and to whom: to this machine alone without keys, to others with them."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from service.domain.errors import ServiceError
from service.security.secret import load_secret
from service.settings import Settings

_ORIGIN: Final = re.compile(r"https?://[^\s/?#@*,]+")


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine; none is every address it has."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def are_keys_on(settings: Settings) -> bool:
    """Whether requests need a key: unless told otherwise, always but in embedded mode on loopback."""
    if settings.keys != "auto":
        return settings.keys == "on"
    return not (settings.is_embedded and is_loopback(settings.host))


def check_exposure(settings: Settings) -> None:
    """Refuse to show the service as these settings would.

    Raises:
        ServiceError: it would be open to everybody on its network, or its keys would stand on a weak secret, or what
            is to be an origin of pages is none.
    """
    for origin in settings.allowed_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ServiceError(
                f"RMATCH_CORS_ORIGINS has {origin[:80]!r}, which is no origin. Give full ones, such as "
                "https://pages.example.org, separated by commas."
            )
    if are_keys_on(settings):
        load_secret(settings)
    elif not is_loopback(settings.host):
        raise ServiceError(
            f"Without keys the service would be open to all who reach {settings.host or 'this machine'}. Set "
            "RMATCH_KEYS=on and RMATCH_KEY_SECRET, and hand out keys by `rmatch keys create`; or listen on 127.0.0.1."
        )
