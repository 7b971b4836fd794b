"""``rmatch keys``: made, shown, replaced and revoked on the command line, and good for the service."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from keyed import bearer
from typer.testing import CliRunner

from rmatch.main import app, main
from service.main import create_app
from service.security import parse_key
from service.settings import Settings


@pytest.fixture(autouse=True)
def _data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RMATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_a_key_is_printed_alone_and_once() -> None:
    key = run("create", "somebody").strip()
    assert parse_key(key) is not None
    (listed,) = run_json("list")
    assert listed["id"] == key.split("_")[1]
    assert (listed["name"], listed["group"], listed["scopes"]) == ("somebody", "public", ["read", "write"])
    assert key not in run("list")
    assert "digest" not in listed


def test_what_was_asked_for_is_what_it_allows() -> None:
    options = ["--group", "alloys", "--scope", "read", "--scope", "admin", "--expires", "12h", "--quota", "5000"]
    made = run_json("create", "a monitor", *options)
    assert made.pop("key").split("_")[1] == made["id"]
    assert [made] == run_json("list")
    assert (made["group"], made["scopes"], made["max_queued_atom_steps"]) == ("alloys", ["admin", "read"], 5000)
    assert made["created_at"] < made["expires_at"]
    assert made["revoked_at"] is made["last_used_at"] is None
    assert run_json("create", "for ever", "--expires", "never")["expires_at"] is None
    assert "alloys" in run("list")


def test_the_service_takes_them_until_they_are_revoked(tmp_path: Path) -> None:
    first = run("create", "somebody", "--group", "a").strip()
    with TestClient(create_app(Settings(data_dir=tmp_path, keys="on")), "https://rmatch.example.org") as client:

        def status(key: str) -> int:
            return client.get("/jobs", headers=bearer(key)).status_code

        second = run("rotate", first.split("_")[1], "--overlap", "1h").strip()
        assert (status(first), status(second), status("")) == (200, 200, 401)
        third = run_json("rotate", second.split("_")[1])["key"]
        assert (status(second), status(third)) == (401, 200)
        assert "is revoked" in run("revoke", third.split("_")[1])
        assert (status(first), status(third)) == (200, 401)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "x", "--expires", "soon"], "'soon' is no time"),
        (["create", "x", "--expires", "0d"], "must hold for some time"),
        (["create", "x", "--expires", "999999d"], "36500 days at most"),
        (["create", ""], "no name of a key"),
        (["create", "x\ny"], "no name of a key"),
        (["create", "x", "--group", "two words"], "no group"),
        (["create", "x", "--quota", "-1"], "no less than 0"),
        (["revoke", "nothing"], "There is no key 'nothing'"),
        (["rotate", "nothing"], "There is no key 'nothing'"),
    ],
)
def test_mistakes_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rmatch", "keys", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_no_key_is_made_under_a_weak_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RMATCH_KEY_SECRET", "short")
    monkeypatch.setattr(sys, "argv", ["rmatch", "keys", "create", "x"])
    with pytest.raises(SystemExit):
        main()
    assert "RMATCH_KEY_SECRET is too easy to guess" in capsys.readouterr().err
    assert run_json("list") == []
