"""The filter language of OPTIMADE: one pass over the text, with bounds on its length, its depth and its terms.

Grammar: OPTIMADE 1.2.0, appendix "The Filter Language EBNF Grammar".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import isinf
from typing import Final, NamedTuple, NoReturn

from fastapi import HTTPException

from service.domain.filters import Condition, Either, Filter, Not, Operator, Quantifier, every
from service.optimade.tokens import Token, refuse, split

_MAX_DEPTH: Final = 32
_MAX_CONDITIONS: Final = 200

_ESCAPED: Final = re.compile(r'\\(["\\])')
_MIRRORED: Final = {
    Operator.LESS: Operator.GREATER,
    Operator.GREATER: Operator.LESS,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.AT_MOST,
}


class Verb(Enum):
    """What a predicate says of its property."""

    COMPARES = "compares"
    IS_KNOWN = "is known"
    HAS = "has"
    HAS_LENGTH = "has length"


class Predicate(NamedTuple):
    """What a filter says of one property: ``conditions`` on its value, its items or its length."""

    name: str
    verb: Verb
    conditions: tuple[Condition, ...] = ()
    quantifier: Quantifier = Quantifier.ALL


def parse_filter(text: str, resolve: Callable[[Predicate], Filter]) -> Filter:
    """The filter that a text means.

    Args:
        text: in the filter language.
        resolve: what each predicate means.

    Raises:
        InputError: it does not follow the grammar, or is too long or too deep.
        HTTPException: 501, an optional part of the language, or a number beyond those of the machine.
    """
    return _Parser(text, resolve, split(text)).parse()


def not_implemented(what: str) -> HTTPException:
    """The error for an optional part of OPTIMADE."""
    return HTTPException(501, f"{what} is optional in OPTIMADE, and not implemented here.")


@dataclass
class _Parser:
    """Recursive descent: a method for each rule, a level of recursion for each parenthesis."""

    text: str
    resolve: Callable[[Predicate], Filter]
    tokens: list[Token]
    position: int = field(default=0, init=False)
    depth: int = field(default=0, init=False)
    n_conditions: int = field(default=0, init=False)

    def parse(self) -> Filter:
        found = self._expression()
        if self._next.kind != "end":
            self._fail("AND, OR or the end")
        return found

    def _expression(self) -> Filter:
        clauses = [self._clause()]
        while self._take("OR"):
            clauses.append(self._clause())
        return clauses[0] if len(clauses) == 1 else Either(tuple(clauses))

    def _clause(self) -> Filter:
        phrases = [self._phrase()]
        while self._take("AND"):
            phrases.append(self._phrase())
        return every(phrases)

    def _phrase(self) -> Filter:
        is_negated = self._take("NOT")
        found = self._group() if self._take("(") else self._comparison()
        return Not(found) if is_negated else found

    def _group(self) -> Filter:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise refuse(self.text, f"parentheses deeper than {_MAX_DEPTH}")
        found = self._expression()
        self._expect(")")
        self.depth -= 1
        return found

    def _comparison(self) -> Filter:
        if self._next.kind == "name":
            name = self._name()
            return self.resolve(self._predicate(name))
        value = self._value()
        comparison = self._operator()
        if self._next.kind != "name":
            self._value()
            raise not_implemented("A comparison of two constants")
        mirrored = self._count(Condition(_MIRRORED.get(comparison, comparison), value))
        return self.resolve(Predicate(self._name(), Verb.COMPARES, (mirrored,)))

    def _predicate(self, name: str) -> Predicate:
        if self._take("IS"):
            return self._known(name)
        if self._take("HAS"):
            return self._has(name)
        if self._take("LENGTH"):
            return Predicate(name, Verb.HAS_LENGTH, (self._condition(),))
        if self._take(":"):
            raise not_implemented("Filtering on several lists at once")
        if self._next.kind == "operator" or self._next.text in ("CONTAINS", "STARTS", "ENDS"):
            return Predicate(name, Verb.COMPARES, (self._fuzzy_condition(),))
        if self._next.kind != "end" and self._next.text not in ("AND", "OR", ")"):
            self._fail("an operator")
        return Predicate(name, Verb.COMPARES, (self._count(Condition(Operator.EQUAL, True)),))

    def _known(self, name: str) -> Predicate:
        if self._take("KNOWN"):
            return Predicate(name, Verb.IS_KNOWN, (Condition(Operator.EQUAL, True),))
        self._expect("UNKNOWN")
        return Predicate(name, Verb.IS_KNOWN, (Condition(Operator.EQUAL, False),))

    def _has(self, name: str) -> Predicate:
        quantifier = next((kind for kind in Quantifier if self._take(kind.value)), None)
        conditions = [self._condition()]
        while quantifier is not None and self._take(","):
            conditions.append(self._condition())
        if self._next.text == ":":
            raise not_implemented("Filtering on several lists at once")
        return Predicate(name, Verb.HAS, tuple(conditions), quantifier or Quantifier.ALL)

    def _fuzzy_condition(self) -> Condition:
        for comparison in (Operator.CONTAINS, Operator.STARTS, Operator.ENDS):
            if self._take(comparison.value):
                if comparison is not Operator.CONTAINS:
                    self._take("WITH")
                return self._count(Condition(comparison, self._value()))
        return self._condition()

    def _condition(self) -> Condition:
        comparison = self._operator() if self._next.kind == "operator" else Operator.EQUAL
        return self._count(Condition(comparison, self._value()))

    def _count(self, condition: Condition) -> Condition:
        self.n_conditions += 1
        if self.n_conditions > _MAX_CONDITIONS:
            raise refuse(self.text, f"more than {_MAX_CONDITIONS} values")
        return condition

    def _operator(self) -> Operator:
        if self._next.kind != "operator":
            self._fail("an operator")
        return Operator(self._advance().text)

    def _value(self) -> str | float | bool:
        token = self._next
        if token.kind == "name":
            raise not_implemented("A comparison of two properties")
        if token.kind == "string":
            return _ESCAPED.sub(r"\1", self._advance().text[1:-1])
        if token.kind == "number":
            return self._number(self._advance().text)
        if token.text in ("TRUE", "FALSE"):
            return self._advance().text == "TRUE"
        return self._fail("a value")

    def _number(self, text: str) -> float:
        number = float(text)
        if isinf(number):
            raise HTTPException(501, f"{text[:40]} is beyond the numbers of this machine, of up to 1.7e308.")
        return number

    def _name(self) -> str:
        name = self._advance().text
        while self._take("."):
            if self._next.kind != "name":
                self._fail("a name")
            name += f".{self._advance().text}"
        return name

    @property
    def _next(self) -> Token:
        return self.tokens[self.position]

    def _advance(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def _take(self, text: str) -> bool:
        """Whether this word or mark comes next; it is then passed."""
        is_next = self._next.text == text
        self.position += is_next
        return is_next

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail(text)

    def _fail(self, expected: str) -> NoReturn:
        token = self._next
        found = repr(token.text[:20]) if token.text else "the end"
        raise refuse(self.text, f"{expected} was expected at character {token.start + 1}, not {found}")
