"""The parts of the service that need no database."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from databases import CUBE
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from rm_engine.errors import InputError
from rm_engine.spec import GenerationSpec
from service.api.negotiation import MEDIA_TYPES, choose_format
from service.api.paging import decode_cursor, encode_cursor
from service.domain import Reference
from service.domain.ids import is_job_id, is_structure_id, new_job_id, structure_id_of
from service.jobs import ChunkLimits
from service.jobs.submission import split_samples
from service.settings import Settings


@given(
    n=st.integers(1, 300),
    units=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    max_samples=st.integers(1, 50),
    max_atoms=st.integers(1, 500),
)
def test_chunks_cover_the_samples_within_the_limits(n: int, units: list[int], max_samples: int, max_atoms: int) -> None:
    spec = GenerationSpec(composition="LiS2", n=n, formula_units=tuple(units))
    chunks = split_samples(spec, ChunkLimits(max_samples=max_samples, max_atoms=max_atoms))
    assert [sample for chunk in chunks for sample in chunk] == list(range(n))
    for chunk in chunks:
        n_atoms = sum(spec.formula_of(sample).n_atoms for sample in chunk)
        assert len(chunk) <= max_samples
        assert n_atoms <= max_atoms or len(chunk) == 1


def test_job_ids_sort_by_time() -> None:
    ids = []
    for _ in range(3):
        ids.append(new_job_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert all(is_job_id(job_id) for job_id in ids)
    assert is_structure_id(structure_id_of(ids[0], 9999))
    assert not is_job_id(ids[0].upper())


def test_a_reference_is_the_same_whatever_its_name_and_the_sign_of_zero() -> None:
    reference = Reference(name="a", atoms=CUBE)
    same = {**CUBE, "positions": [[-0.0, 1e-9, 0.0], *CUBE["positions"][1:]]}
    other = {**CUBE, "positions": [[0.1, 0.0, 0.0], *CUBE["positions"][1:]]}
    assert Reference(name="b", atoms=same).id == reference.id
    assert Reference(name="a", atoms=other).id != reference.id
    assert reference.formula.reduced == "LiS2"


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("*/*", "json"),
        ("chemical/*", "cif"),
        ("application/json;q=0.1, chemical/x-xyz;q=0.2", "extxyz"),
        ("CHEMICAL/X-CIF", "cif"),
        ("text/plain, chemical/x-cif; q=0.5; level=1", "cif"),
    ],
)
def test_the_best_form_is_chosen(accept: str, format_: str) -> None:
    assert choose_format(accept) == format_


@given(st.text())
def test_no_accept_header_breaks_the_choice(accept: str) -> None:
    with suppress(HTTPException):
        assert choose_format(accept) in MEDIA_TYPES


def test_cursors_come_back_and_nothing_else_does() -> None:
    assert decode_cursor(encode_cursor(["energy", -0.1 + 0.3, "x"]), str, float, str) == ["energy", -0.1 + 0.3, "x"]
    with pytest.raises(InputError, match="no cursor"):
        decode_cursor(encode_cursor(["energy", 1]), str, float)


@given(st.text())
def test_any_text_as_a_cursor_is_refused_in_order(cursor: str) -> None:
    with pytest.raises(InputError):
        decode_cursor(cursor, str, float, str)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMATCH_DATABASE_URL", "postgresql://db/rmatch")
    monkeypatch.setenv("RMATCH_LEASE_SECONDS", "7")
    assert Settings().resolved_database_url == "postgresql://db/rmatch"
    assert Settings().lease_seconds == 7
    with pytest.raises(ValueError, match="frozen"):
        Settings().lease_seconds = 8  # type: ignore[misc]
