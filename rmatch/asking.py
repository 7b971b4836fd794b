"""Asking a service, with its refusals as errors of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rmatch.errors import CommandError

if TYPE_CHECKING:
    from rm_client import Client


@contextmanager
def open_client(url: str, **options: Any) -> Iterator[Client]:  # noqa: ANN401  # those of the client
    """A client while the context lasts.

    Args:
        url: of the service.
        options: of :class:`rm_client.Client`.

    Raises:
        CommandError: the service refuses or does not answer.
    """
    from rm_client import Client, ClientError

    try:
        with Client(url, **options) as client:
            yield client
    except ClientError as error:
        raise CommandError(str(error)) from error
