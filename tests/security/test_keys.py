"""The form of keys, and what is stored of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.security import ApiKey, new_key, parse_key
from service.security.keys import KEY_PATTERN

SECRET = b"a secret of the server, long enough"


def test_a_key_says_what_it_is_and_whose() -> None:
    key = new_key()
    prefix, key_id, rest = key.text.split("_")
    assert (prefix, key_id) == ("rmatch", key.id)
    assert re.fullmatch(r"[0-9A-Za-z]{49}", rest), "43 random letters of 62 are 256 bits, and a checksum"
    assert parse_key(key.text) == key


def test_no_two_keys_are_alike() -> None:
    keys = [new_key() for _ in range(1000)]
    assert len({key.id for key in keys}) == len({key.text[-49:-6] for key in keys}) == 1000


def test_a_key_does_not_show_itself() -> None:
    key = new_key()
    assert key.text not in repr(key)


@given(position=st.integers(0, 68), letter=st.characters(min_codepoint=33, max_codepoint=126))
def test_every_typing_error_is_noticed(position: int, letter: str) -> None:
    key = new_key()
    typed = key.text[:position] + letter + key.text[position + 1 :]
    assert (parse_key(typed) is None) == (typed != key.text)


@given(text=st.text() | st.from_regex(KEY_PATTERN, fullmatch=True))
def test_what_strangers_make_up_is_no_key(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("change", ["{} ", " {}", "{}\n", "{}{}", "Rmatch{}", ""])
def test_a_key_has_nothing_around_it(change: str) -> None:
    key = new_key()
    assert parse_key(change.format(key.text, key.text)) is None


def test_only_the_digest_under_the_right_secret_fits() -> None:
    key, other = new_key(), new_key()
    digest = key.digest(SECRET)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert key.has_digest(digest, SECRET)
    assert not key.has_digest(digest, b"another secret")
    assert not other.has_digest(digest, SECRET)
    assert not ApiKey(key.id, other.text).has_digest(digest, SECRET), "the id alone opens nothing"
