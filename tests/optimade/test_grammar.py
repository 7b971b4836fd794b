"""The filter language: what the published grammar reads, and what nobody should be able to make slow."""

from __future__ import annotations

from random import Random

import pytest
from fastapi import HTTPException
from optimade.exceptions import BadRequest
from optimade.filterparser import LarkParser

from rm_engine.errors import InputError
from service.domain.filters import Compared, Condition, Either, Every, Filter, Fixed, Items, Not, Operator, Quantifier
from service.optimade.filters import FilterReader
from service.optimade.grammar import Predicate, Verb, parse_filter
from service.optimade.tokens import MAX_LENGTH

TWO = Compared("n_elements", Condition(Operator.EQUAL, 2.0))
NINE = Compared("n_atoms", Condition(Operator.LESS, 9.0))
SULPHIDE = Items("elements", Quantifier.ALL, (Condition(Operator.EQUAL, "S"),))


def outcome(text: str) -> str:
    """``read``, or the code of the error."""
    try:
        FilterReader().read(text)
    except InputError as error:
        return error.code
    except HTTPException as error:
        return str(error.status_code)
    return "read"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("nelements=2", TWO),
        (" \t\n( nelements \r= +2.0e0 ) ", TWO),
        ("2=nelements", TWO),
        ("9>nsites", NINE),
        ("elements LENGTH 2", TWO),
        ('elements HAS "S"', SULPHIDE),
        ('NOT elements HAS "S" AND nelements=2 OR nsites<9', Either((Every((Not(SULPHIDE), TWO)), NINE))),
        ('nelements=2 AND NOT (elements HAS "S" OR nsites<9)', Every((TWO, Not(Either((SULPHIDE, NINE)))))),
        ("(nelements=2 AND nsites<9) AND nelements=2", Every((TWO, NINE, TWO))),
        ("_rmatch_converged", Compared("converged", Condition(Operator.EQUAL, True))),
        ("structure_features LENGTH 0", Fixed(True)),
        ('structure_features HAS "disorder"', Fixed(False)),
        ('type="structures"', Fixed(True)),
        ("lattice_vectors LENGTH >= 3", Fixed(True)),
        ("_exmpl_x<3", Fixed(None)),
        ("_exmpl_x.y IS UNKNOWN", Not(Fixed(False))),
        ('id STARTS "\\\\\\"a"', Compared("id", Condition(Operator.STARTS, '\\"a'))),
    ],
)
def test_what_filters_mean(text: str, meaning: Filter) -> None:
    assert FilterReader().read(text) == meaning


@pytest.mark.parametrize(
    ("code", "text"),
    [
        *(("invalid_filter", text) for text in (
            "(", ")", "nelements=", "nelements 2", "=2", "nelements=2 AND", "AND nelements=2", "nelements=2 nsites=3",
            "NOT", "NOT NOT nelements=2", "(nelements=2", "nelements=2)", 'elements HAS "S",', "elements HAS ALL",
            "nelements IS", "nelements IS 2", 'id="a', 'id="a\\n"', 'id="\x00"', "id='a'", "nelements==2",
            "Nelements=2",
            "nelements=.", "nelements=1e", "nelements=+-1", "a..b=2", 'last_modified>"yesterday"', "nelements ≤ 2",
            'last_modified>"2026-02-30T00:00:00Z"', 'last_modified>"9999-12-31T23:59:59-14:00"', "x" * (MAX_LENGTH + 1),
            'last_modified>"2026-01-01"', " ",
        )),
        *(("unknown_property", text) for text in ("crazyfield=2", "_rmatch_x=2", "x IS KNOWN", "a.b=2")),
        *(("501", text) for text in (
            "nelements=nsites", "2<3", '"a"<"b"', 'elements:elements_ratios HAS "S":0.5', 'nelements="2"', "id=2",
            "id=TRUE", "_rmatch_converged=1", "_rmatch_converged<TRUE", 'nelements CONTAINS "2"', "nelements HAS 2",
            "nelements LENGTH 2", 'elements="S"', "elements HAS 2", 'elements_ratios HAS "S"', "nsites=1e999",
            "species.name HAS \"S\"", 'references.id HAS "x"', 'chemical_formula_hill CONTAINS "C"', "nelements",
            'last_modified STARTS "2026"', "last_modified>2026", 'species_at_sites HAS "S"', 'elements LENGTH "2"',
        )),
    ],
)  # fmt: skip
def test_what_is_refused(code: str, text: str) -> None:
    assert outcome(text) == code


def test_what_the_published_grammar_reads_is_read(filters_of_all_kinds: list[str]) -> None:
    """And what it does not read is refused, but for properties that are true or false, which have no operator in 1.3.

    Texts are whole filters, and filters of which a piece is left out, doubled or put elsewhere.
    """
    published = LarkParser(version=(1, 2, 0))
    rng = Random(0)
    seen = set()
    for text in filters_of_all_kinds:
        for mutated in (text, *(mutate(text, rng) for _ in range(3))):
            if has_stray_parenthesis(mutated):
                continue
            mutated = f"({mutated})"  # noqa: PLW2901  the published one reads several filters side by side
            try:
                published.parse(mutated)
                is_read = True
            except BadRequest:
                is_read = False
            ours = outcome_of_grammar(mutated)
            seen.add((ours, is_read))
            if ours is not None and ours != is_read:
                assert ours, mutated
                assert has_bare_property(mutated), mutated
    assert {(True, True), (False, False)} <= seen


def mutate(text: str, rng: Random) -> str:
    pieces = text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split(" ")
    place, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    piece = pieces[place]
    kind = rng.randrange(3)
    if kind:
        del pieces[place]
    if kind != 1:
        pieces.insert(other, piece)
    return " ".join(pieces)


def has_stray_parenthesis(text: str) -> bool:
    depths = [text[:end].count("(") - text[:end].count(")") for end in range(len(text) + 1)]
    return min(depths) < 0 or depths[-1] != 0


def outcome_of_grammar(text: str) -> bool | None:
    """Whether our grammar reads it, whatever the properties are; None where it asks for what is not implemented."""
    try:
        parse_filter(text, lambda _: Fixed(True))
    except InputError:
        return False
    except HTTPException:
        return None
    return True


def has_bare_property(text: str) -> bool:
    found: list[Predicate] = []

    def note(predicate: Predicate) -> Filter:
        found.append(predicate)
        return Fixed(True)

    parse_filter(text, note)
    return any(p.verb is Verb.COMPARES and p.conditions == (Condition(Operator.EQUAL, True),) for p in found)


HOSTILE = {
    "deep": "(" * 33 + "nelements=2" + ")" * 33,
    "deeper": "(" * MAX_LENGTH,
    "not": "NOT(" * 900 + "nelements=2" + ")" * 300,
    "values": "elements HAS ANY " + ",".join(['"H"'] * 201),
    "terms": " OR ".join(["nsites=1"] * 201),
    "open string": '"' + "\\" * (MAX_LENGTH - 1),
    "number": "nelements=" + "9" * (MAX_LENGTH - 10),
    "exponent": "nelements=1e" + "9" * 3000,
    "spaces": " " * MAX_LENGTH,
    "dots": "a" + ".a" * 1900 + "=1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_filters_are_refused(name: str) -> None:
    assert outcome(HOSTILE[name]) in {"invalid_filter", "unknown_property", "501"}


def test_the_largest_filters_are_read() -> None:
    assert outcome("(" * 32 + "nelements=2" + ")" * 32) == "read"
    assert outcome(" OR ".join(["nsites=1"] * 200)) == "read"
