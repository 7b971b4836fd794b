"""Every operator on every property: what the databases find is what Python finds in the entries as they are served."""

from __future__ import annotations

import json
import operator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain import PUBLIC_GROUP
from service.domain.views import StructureOrder, StructureQuery
from service.optimade.answers import write_entry
from service.optimade.catalog import PROPERTIES
from service.optimade.filters import FilterReader
from service.store import Store

Entry = dict[str, Any]
Node = tuple[Any, ...]

STRINGS = (
    "id", "immutable_id", "type", "chemical_formula_descriptive", "chemical_formula_reduced",
    "chemical_formula_anonymous", "_rmatch_job", "_rmatch_model", "_rmatch_model_fingerprint", "_rmatch_start",
    "_rmatch_start_origin", "_rmatch_energy_kind", "_rmatch_space_group_symbol", "_rmatch_smiles",
)  # fmt: skip
NUMBERS = (
    "nelements", "nsites", "nperiodic_dimensions", "space_group_it_number", "_rmatch_sample", "_rmatch_n_steps",
    "_rmatch_pseudo_energy_per_atom", "_rmatch_formation_energy_per_atom", "_rmatch_ranking_energy_per_atom",
    "_rmatch_energy_above_hull", "_rmatch_volume_per_atom",
)  # fmt: skip
BOOLEANS = ("_rmatch_converged", "_rmatch_unique", "_rmatch_matched", "_rmatch_passes_checks")
LISTS = ("elements", "elements_ratios", "dimension_types", "structure_features")
NOT_SEARCHED = ("species", "species_at_sites", "lattice_vectors", "cartesian_site_positions")
ODD_TEXTS = ("", "%", "_", '"', "\\", "é", "A", "Li", "z", "'; --", "\t", "structures", "disorder", "😀")
COMPARE = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "CONTAINS": operator.contains, "STARTS WITH": str.startswith, "STARTS": str.startswith,
    "ENDS WITH": str.endswith, "ENDS": str.endswith,
}  # fmt: skip
MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Entries(list[Entry]):
    """Too many to be shown when a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} entries"


@pytest.fixture(scope="module")
def entries(filled: Store) -> Entries:
    """All structures, as they are served."""
    with filled.reading() as tx:
        page = tx.structure_views.search(query())
        views = tx.structure_views.with_atoms(page.items)
    assert page.next_key is None
    assert len(views) > 280
    served = [json.loads(json.dumps(write_entry(view, PROPERTIES))) for view in views]
    return Entries({"id": entry["id"], "type": entry["type"], **entry["attributes"]} for entry in served)


def query(text: str | None = None) -> StructureQuery:
    options: dict[str, Any] = {"where": FilterReader().read(text)} if text else {}
    return StructureQuery(group=PUBLIC_GROUP, order=StructureOrder.CREATED, descending=False, limit=1000, **options)


def quote(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def write(node: Node, within: str = "") -> str:
    """The node as a filter, with no more parentheses than it needs."""
    match node:
        case ("AND" | "OR" as kind, *parts):
            text = f" {kind} ".join(write(part, kind) for part in parts)
            return f"({text})" if within == "NOT" or (within, kind) == ("AND", "OR") else text
        case ("NOT", part):
            text = f"NOT {write(part, 'NOT')}"
            return f"({text})" if within == "NOT" else text
        case ("compare", name, comparison, value):
            return f"{name} {comparison} {quote(value)}"
        case ("mirrored", name, comparison, value):
            return f"{quote(value)}{MIRRORED[comparison]}{name}"
        case ("has", name, quantifier, pairs):
            return f"{name} HAS {quantifier} {','.join(f'{sign} {quote(value)}' for sign, value in pairs)}"
        case ("length", name, comparison, length):
            return f"{name} LENGTH {comparison} {length}"
        case ("known", name, is_known):
            return f"{name} IS {'KNOWN' if is_known else 'UNKNOWN'}"
    raise AssertionError(node)


def holds(node: Node, entry: Entry) -> bool | None:
    """Whether the node holds for the entry; None where that is not known."""
    match node:
        case ("AND", *parts):
            found = [holds(part, entry) for part in parts]
            return False if False in found else None if None in found else True
        case ("OR", *parts):
            found = [holds(part, entry) for part in parts]
            return True if True in found else None if None in found else False
        case ("NOT", part):
            inner = holds(part, entry)
            return None if inner is None else not inner
        case ("known", name, is_known):
            return (entry.get(name) is not None) == is_known
    value = entry.get(node[1])
    if value is None:
        return None
    match node:
        case ("length", _, comparison, length):
            return COMPARE[comparison or "="](len(value), length)
        case ("has", _, quantifier, pairs):
            return has(value, quantifier, pairs)
    return COMPARE[node[2]](value, node[3])


def has(items: list[Any], quantifier: str, pairs: list[tuple[str, Any]]) -> bool:
    if quantifier == "ONLY":
        return all(any(COMPARE[sign or "="](item, value) for sign, value in pairs) for item in items)
    met = [any(COMPARE[sign or "="](item, value) for item in items) for sign, value in pairs]
    return any(met) if quantifier == "ANY" else all(met)


def nodes(entries: Entries) -> st.SearchStrategy[Node]:
    """Filters whose values are those of entries, nearly those, and odd ones."""
    signs = st.sampled_from(list(MIRRORED))

    def values_of(name: str, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return (
            st.sampled_from(range(len(entries))).map(lambda k: entries[k][name]).filter(lambda value: value is not None)
            | others
        )

    def cut(text: str) -> st.SearchStrategy[str]:
        place = st.integers(0, len(text))
        return st.tuples(place, place).map(lambda ends: text[min(ends) : max(ends)])

    texts = st.sampled_from(STRINGS).flatmap(
        lambda name: (
            st.tuples(
                st.sampled_from(["compare", "mirrored"]),
                st.just(name),
                signs,
                values_of(name, st.sampled_from(ODD_TEXTS)).filter(lambda value: isinstance(value, str)),
            )
            | st.tuples(
                st.just("compare"),
                st.just(name),
                st.sampled_from(list(COMPARE)),
                values_of(name, st.sampled_from(ODD_TEXTS)).flatmap(cut),
            )
        )
    )
    numbers = st.sampled_from(NUMBERS).flatmap(
        lambda name: st.tuples(
            st.sampled_from(["compare", "mirrored"]),
            st.just(name),
            signs,
            values_of(name, st.integers(-3, 250) | st.sampled_from([0.5, -1e300, 1e18, 0])),
        )
    )
    truths = st.tuples(st.just("compare"), st.sampled_from(BOOLEANS), st.sampled_from(["=", "!="]), st.booleans())
    times = st.tuples(
        st.sampled_from(["compare", "mirrored"]),
        st.just("last_modified"),
        signs,
        values_of("last_modified", st.nothing()),
    )
    hills = st.tuples(
        st.just("compare"),
        st.just("chemical_formula_hill"),
        st.sampled_from(["=", "!="]),
        values_of("chemical_formula_hill", st.sampled_from(["H2O", "OH2", "Li", "x", ""])),
    )
    items = st.sampled_from(LISTS).flatmap(
        lambda name: st.tuples(
            st.just("has"),
            st.just(name),
            st.sampled_from(["", "ALL", "ANY", "ONLY"]),
            st.lists(
                st.tuples(
                    st.sampled_from(["", "", "", *MIRRORED]),
                    values_of(name, st.just([])).flatmap(
                        lambda found: st.sampled_from(
                            found or (ODD_TEXTS if name in ("elements", "structure_features") else [0.25])
                        )
                    ),
                ),
                min_size=1,
                max_size=4,
            ),
        ).map(lambda node: (*node[:3], node[3][: None if node[2] else 1]))
    )
    lengths = st.tuples(
        st.just("length"), st.sampled_from([*LISTS, *NOT_SEARCHED]), st.sampled_from(["", *MIRRORED]), st.integers(0, 9)
    )
    known = st.tuples(st.just("known"), st.sampled_from([*PROPERTIES, "_exmpl_x", "assemblies"]), st.booleans())
    foreign = st.just(("compare", "_exmpl_x", "=", 2))
    leaves = st.one_of(texts, numbers, truths, times, hills, items, lengths, known, foreign)
    return st.recursive(
        leaves,
        lambda inner: (
            st.tuples(st.just("NOT"), inner)
            | st.tuples(st.sampled_from(["AND", "OR"]), inner, inner)
            | st.tuples(st.sampled_from(["AND", "OR"]), inner, inner, inner)
        ),
        max_leaves=8,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_filters_find_what_they_mean(filled: Store, entries: Entries, data: st.DataObject) -> None:
    node = data.draw(nodes(entries))
    text = write(node)
    expected = [entry["id"] for entry in entries if holds(node, entry)]
    with filled.reading() as tx:
        found = tx.structure_views.search(query(text))
        counted = tx.structure_views.count(query(text), 10_000)
    assert [view.id for view in found.items] == expected, text
    assert counted == len(expected), text
