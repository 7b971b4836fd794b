"""``rmatch keys``: who may use the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rmatch.errors import CommandError
from rmatch.output import Json, print_json
from service.domain.access import PUBLIC_GROUP, Scope
from service.settings import Settings

if TYPE_CHECKING:
    from service.domain.keys import StoredKey
    from service.security import ApiKey
    from service.store import Store

app = typer.Typer(no_args_is_help=True, help="Who may use the service: API keys.")

_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}
_COLUMNS: Final = ("id", "name", "group", "scopes", "quota", "created", "expires", "revoked", "last used")

KeyId = Annotated[str, typer.Argument(help="The public part of the key, as `rmatch keys list` shows it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what is to hold it.")],
    group: Annotated[str, typer.Option(help="Whose jobs and structures it opens.")] = PUBLIC_GROUP,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it allows; read and write by default.")] = None,
    expires: Annotated[str, typer.Option(help="How long it holds, such as 90d or 12h; or never.")] = "365d",
    quota: Annotated[int | None, typer.Option(help="Most atom-steps that may wait at a time.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    from service.domain.keys import KeyRequest
    from service.jobs import create_key
    from service.security import load_secret

    settings = Settings()
    request = KeyRequest(
        name=name,
        group=group,
        scopes=frozenset(scope or (Scope.READ, Scope.WRITE)),
        lifetime=None if expires == "never" else _parse_time(expires),
        max_queued_atom_steps=quota,
    )
    with _open_store(settings) as store:
        _show_new(*create_key(store, load_secret(settings), request), as_json=as_json)


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Show all keys, newest first: whose they are and how long they hold, not the keys themselves."""
    from service.jobs import list_keys

    with _open_store(Settings()) as store:
        keys = list_keys(store)
    if as_json:
        print_json([_facts(key) for key in keys])
        return
    table = Table(*_COLUMNS, box=SIMPLE_HEAD)
    for key in keys:
        table.add_row(*map(_text, _facts(key).values()))
    Console().print(table)


@app.command()
def revoke(key_id: KeyId, as_json: Json = False) -> None:
    """Refuse a key from now on."""
    from service.jobs import revoke_key

    with _open_store(Settings()) as store:
        key = revoke_key(store, key_id)
    if as_json:
        print_json(_facts(key))
    else:
        typer.echo(f"The key {key.id} ({key.name}, group {key.group}) is revoked.")


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[str, typer.Option(help="How long the old key goes on to hold, such as 24h.")] = "0m",
    as_json: Json = False,
) -> None:
    """Replace a key by one that allows the same, and show that, this once."""
    from service.jobs import rotate_key
    from service.security import load_secret

    settings = Settings()
    with _open_store(settings) as store:
        _show_new(*rotate_key(store, load_secret(settings), key_id, _parse_time(overlap)), as_json=as_json)


@contextmanager
def _open_store(settings: Settings) -> Iterator[Store]:
    from service.store import Store

    with closing(Store(settings.resolved_database_url)) as store:
        store.migrate()
        yield store


def _parse_time(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,6})([dhm])", text)
    if match is None:
        raise CommandError(f"{text[:80]!r} is no time. Give a number of days, hours or minutes: 90d, 12h, 30m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _show_new(key: ApiKey, stored: StoredKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": key.text, **_facts(stored)})
        return
    typer.echo(key.text)
    until = f"until {stored.expires_at:%Y-%m-%d %H:%M} UTC" if stored.expires_at else "for ever"
    typer.echo(
        f"Keep it now, it is not shown again. It holds {until}. Send it as `Authorization: Bearer KEY`.", err=True
    )


def _facts(key: StoredKey) -> dict[str, Any]:
    """What is shown of a key, in the order of the columns."""
    return {
        "id": key.id,
        "name": key.name,
        "group": key.group,
        "scopes": sorted(key.scopes),
        "max_queued_atom_steps": key.max_queued_atom_steps,
        **{name: _when(getattr(key, name)) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")},
    }


def _text(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def _when(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"
