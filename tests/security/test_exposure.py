"""Where the service starts without keys, where it asks for them, and where it does not start."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import clean_environment

from service.domain import ServiceError
from service.main import create_app
from service.security import are_keys_on, check_exposure, is_loopback, load_secret
from service.security.secret import SECRET_FILE
from service.settings import Settings

POSTGRES = "postgresql://db/rmatch"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_what_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.org", "2130706433", "notlocalhost", "localhost.org"]
)
def test_what_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"database_url": POSTGRES}, True),
        ({"database_url": POSTGRES, "keys": "off"}, False),
        ({"keys": "on"}, True),
    ],
)
def test_keys_are_on_but_in_embedded_mode_on_loopback(fields: dict[str, Any], expected: bool) -> None:
    assert are_keys_on(Settings(**fields)) is expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": "0.0.0.0", "keys": "off"}, "open to all who reach 0.0.0.0"),
        ({"host": "", "keys": "off"}, "open to all who reach this machine"),
        ({"host": "192.0.2.1", "keys": "off", "database_url": POSTGRES}, "listen on 127.0.0.1"),
        ({"database_url": POSTGRES}, "RMATCH_KEY_SECRET is empty"),
        ({"database_url": POSTGRES, "key_secret": SECRET[:31]}, "too easy to guess: it has 31 characters"),
        ({"database_url": POSTGRES, "key_secret": "abab" * 10}, "too easy to guess"),
        ({"host": "0.0.0.0", "key_secret": "please-change-me-before-you-start-it"}, "placeholder: it has 'change'"),
        ({"cors_origins": "*"}, "no origin"),
        ({"cors_origins": "https://a.example.org, null"}, "'null'"),
        ({"cors_origins": "https://a.example.org/page"}, "no origin"),
    ],
)
def test_an_open_service_does_not_start_and_says_the_way_out(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    settings = Settings(**{"data_dir": tmp_path, **fields})
    with pytest.raises(ServiceError, match="RMATCH_") as refused:
        create_app(settings)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert settings.key_secret not in str(refused.value) or not settings.key_secret


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "0.0.0.0"},
        {"keys": "on"},
        {"database_url": POSTGRES, "keys": "off"},
        {"database_url": POSTGRES, "host": "0.0.0.0", "key_secret": SECRET},
        {"cors_origins": "https://a.example.org, http://localhost:3000"},
    ],
)
def test_a_safe_one_does(fields: dict[str, Any], tmp_path: Path) -> None:
    check_exposure(Settings(**{"data_dir": tmp_path, **fields}))


def test_the_command_says_it_in_one_line_and_ends(tmp_path: Path) -> None:
    environment = clean_environment() | {"RMATCH_DATA_DIR": str(tmp_path), "RMATCH_KEYS": "off"}
    command = [sys.executable, "-m", "rmatch", "api", "--host", "0.0.0.0", "--port", "0"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: Without keys the service would be open")
    assert refused.stderr.count("\n") == 1


def test_the_embedded_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", keys="on")
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: load_secret(settings), range(16)))
    assert len(secrets) == 1
    assert [path.name for path in settings.data_dir.iterdir()] == [SECRET_FILE]
    assert stat.S_IMODE((settings.data_dir / SECRET_FILE).stat().st_mode) == 0o600
    assert load_secret(settings) == secrets.pop()
    assert load_secret(Settings(data_dir=tmp_path / "other", keys="on")) != load_secret(settings)


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, keys="on")
    load_secret(settings)
    (tmp_path / SECRET_FILE).chmod(0o640)
    with pytest.raises(ServiceError, match="chmod 600"):
        load_secret(settings)


def test_no_secret_is_made_where_no_keys_are_wanted(tmp_path: Path) -> None:
    check_exposure(Settings(data_dir=tmp_path))
    assert not (tmp_path / SECRET_FILE).exists()


def test_settings_do_not_show_the_secret() -> None:
    assert SECRET not in repr(Settings(key_secret=SECRET))
