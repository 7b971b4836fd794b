"""Words, numbers and marks of the filter language of OPTIMADE."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rm_engine.errors import InputError

MAX_LENGTH: Final = 4000

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\n\r\v\f]+)
    |(?P<string>"(?:[^"\\\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]|\\["\\])*")
    |(?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<name>[a-z_][a-z_0-9]*)
    |(?P<word>AND|OR|NOT|IS|KNOWN|UNKNOWN|CONTAINS|STARTS|ENDS|WITH|LENGTH|HAS|ALL|ONLY|ANY|TRUE|FALSE)
    |(?P<operator><=|>=|!=|<|>|=)
    |(?P<mark>[().,:])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A piece of the text."""

    kind: str
    text: str
    start: int


def refuse(text: str, reason: str) -> InputError:
    """The error for a text that is no filter."""
    return InputError("invalid_filter", "filter", text, reason, "Write it as in OPTIMADE 1.2, e.g. nelements=2.")


def split(text: str) -> list[Token]:
    """The tokens of a filter, and one for its end.

    Raises:
        InputError: it is too long, or something in it is none.
    """
    if len(text) > MAX_LENGTH:
        raise refuse(text, f"the filter is longer than {MAX_LENGTH} characters")
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise refuse(text, f"cannot read character {position + 1}, {text[position]!r}")
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return [*tokens, Token("end", "", position)]
