"""No file that can be uploaded keeps the service busy, or gets an answer that is not its own."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.mutations import SYMMETRIC_CIF, mutate_many, read_originals
from fuzz.reading import MOST_SECONDS, read_all

from rm_engine.errors import InputError
from rm_engine.files import FORMATS
from service.reading import answer
from service.sandbox import Sandbox
from service.settings import Settings

REFUSALS = {"unreadable_structure_file", "no_structures", "structure_file_too_large"}
HOSTILE = {
    "a million atoms": ("extxyz", "1000000\n\n" + "H 0 0 0\n" * 10_000),
    "a number of atoms without end": ("poscar", f"\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n{'9' * 5000}\n"),
    "a file without end of blocks": ("cif", "data_a\n_atom_site_label x\n" * 20_000),
    "a line of quotes": ("cif", "data_a\n_atom_site_label " + '"' * 900_000),
    "nested loops": ("cif", "data_a\n" + "loop_\n" * 100_000 + "_atom_site_label\nNa\n"),
    "nested brackets": ("extxyz", f"1\nLattice={'[' * 400_000}{']' * 400_000}\nH 0 0 0\n"),
    "no lines": ("extxyz", "\n" * 900_000),
    "JSON within JSON": ("pymatgen", '{"sites": ' * 200_000),
    "a number without end": ("pymatgen", '{"sites": [' + "9" * 900_000),
    "no database": ("ase-db", "U1FMaXRlIGZvcm1hdCAzAA==" + "/" * 800_000),
    "lone surrogates": ("cif", "data_\ud800\n_atom_site_label \udfff\n"),
}


@pytest.mark.timeout(900)
def test_2000_mutated_files_are_each_read_or_refused() -> None:
    reading = read_all(mutate_many(2000))
    assert reading.failures == []
    assert reading.outcomes.total() == 2000
    assert reading.longest_seconds < MOST_SECONDS
    for format_ in FORMATS:  # neither all too broken, nor all unharmed
        assert reading.outcomes[f"{format_}: read"] > 5
        assert reading.outcomes[f"{format_}: unreadable_structure_file"] > 100


def test_what_is_not_mutated_is_read() -> None:
    """Also a CIF whose space group stands for its symmetry operations, which come from a table."""
    originals = [(text, format_) for text, format_ in read_originals() if "V2000" not in text or format_ == "sdf"]
    reading = read_all(originals)
    assert {outcome.partition(": ")[2] for outcome in reading.outcomes} == {"read"}


@pytest.mark.parametrize("length", ["0", "1e-9", "1e300", "nan"])
def test_a_crystal_without_volume_is_refused_by_its_reader(length: str) -> None:
    flat = SYMMETRIC_CIF.replace("_cell_length_c   5.62", f"_cell_length_c   {length}")
    assert read_all([(flat, "cif")]).outcomes == {"cif: unreadable_structure_file": 1}


@pytest.mark.parametrize("seed", range(24))
def test_the_sandbox_itself_says_the_same(seed: int) -> None:
    """One child for one file, as the service does it."""
    ((text, format_),) = mutate_many(1, seed)
    settings = Settings()
    sandbox = Sandbox(settings.sandbox_seconds, settings.sandbox_memory_bytes)
    expected = answer(text, format_)
    if isinstance(expected, list):
        for found, other in zip(sandbox.parse(text, format_), expected, strict=True):
            assert found.keys() == other.keys()
            for name in found:  # to rounding: without our environment, it may run another kernel of BLAS
                assert np.array(found[name]) == pytest.approx(np.array(other[name]))
        return
    with pytest.raises(InputError) as caught:
        sandbox.parse(text, format_)
    assert (caught.value.code, caught.value.reason) == (expected["code"], expected["reason"])
    assert caught.value.field == "content"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_was_made_to_do_harm_is_refused(name: str) -> None:
    format_, text = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        Sandbox(seconds=4, memory_bytes=2**30).parse(text, format_)  # type: ignore[arg-type]
    assert caught.value.code in REFUSALS
