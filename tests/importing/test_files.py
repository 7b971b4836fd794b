"""Imports from files and folders: each structure once, whatever is broken, changed or killed in between."""

from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms
from imports import Command, Stored, summary
from processes import run_rmatch
from servers import wait_until

from rm_engine.errors import FileFormatError
from rm_engine.files import FileLimits, from_json, read_structures, scan_structures, write_structure
from service.jobs import list_imports
from service.settings import Settings
from service.store import Store


def frames(start: int, stop: int) -> Iterator[str]:
    """Crystals of one atom, another for each number."""
    for number in range(start, stop):
        yield f'1\nname=x-{number} Lattice="{3 + number / 10_000} 0 0 0 3 0 0 0 3"\nLi 0 0 0\n'


def crystal(number: int) -> str:
    return write_structure(Atoms("Li", cell=[3 + number / 10, 3, 3], pbc=True), "cif")


def test_the_same_twice_adds_nothing(tmp_path: Path, rmatch: Command, stored: Stored) -> None:
    file = tmp_path / "many.extxyz"
    file.write_text("".join([*frames(0, 450), *frames(0, 1)]))
    assert rmatch("import", file).stdout == summary(450, 1)
    first = stored()
    assert rmatch("import", file).stdout == summary(0, 451)
    assert stored() == first
    assert {item.source for item in first.values()} == {"many.extxyz"}
    read = {structure.name: structure.atoms for structure in read_structures(file)}
    assert {name: from_json(item.atoms) for name, item in first.items()} == read


def test_a_killed_import_goes_on_after_the_last_batch(
    tmp_path: Path, rmatch: Command, stored: Stored, store: Store, settings: Settings
) -> None:
    file, n = tmp_path / "many.extxyz", 4_000
    file.write_text("".join(frames(0, n)))

    def has_begun() -> bool:
        return any(record.n_new for record in list_imports(store))

    environment = {"RMATCH_DATA_DIR": str(settings.data_dir)}
    with run_rmatch("references", "import", str(file), environment=environment) as running:
        wait_until(has_begun, "the first batch is stored")
        running.kill()
    (record,) = list_imports(store)
    assert not record.is_finished
    assert 0 < record.n_new == len(stored()) < n
    assert rmatch("import", file).stdout == summary(n), "nothing came twice"
    assert len(stored()) == n


def test_a_file_that_has_changed_is_read_from_its_beginning(
    tmp_path: Path, rmatch: Command, stored: Stored, store: Store
) -> None:
    file, head, broken = tmp_path / "many.extxyz", "".join(frames(0, 400)), "not a number\n"
    file.write_text(head + broken)
    assert "expected a number of atoms, not 'not a number'" in str(rmatch("import", file).exception)
    (record,) = list_imports(store)
    assert (record.n_new, record.is_finished) == (400, False)
    file.write_text("".join(frames(500, 503)) + head)
    assert rmatch("import", file).stdout == summary(3, 400)
    assert len(stored()) == 403


def test_an_import_can_begin_anew(tmp_path: Path, rmatch: Command) -> None:
    file = tmp_path / "many.extxyz"
    file.write_text("".join(frames(0, 250)) + "not a number\n")
    assert rmatch("import", file).exception
    assert rmatch("import", file, "--limit", 1).exception, "which is passed already"
    assert "line 751" in str(rmatch("import", file, "--restart").exception)


def test_structures_that_do_not_parse_are_named_and_stop_nothing(
    tmp_path: Path, rmatch: Command, stored: Stored
) -> None:
    file = tmp_path / "some.extxyz"
    good = list(frames(0, 2))
    bad = [good[0].replace("Li", "Xx"), good[0].replace("3.0 0 0", "three"), "0\nnothing\n"]
    large = "2001\n\n" + "Li 0 0 0\n" * 2001
    file.write_text("".join([good[0], *bad, large, good[1]]))
    result = rmatch("import", file)
    assert result.stdout == summary(2, 0, 0, 4)
    for line in ("line 6: ", "line 8: ", "line 10: 0 atoms", "line 12: 2001 atoms"):
        assert f"some.extxyz: {line}" in result.stderr
    assert stored().keys() == {"x-0", "x-1"}


def test_a_folder_is_read_file_by_file(tmp_path: Path, rmatch: Command, stored: Stored) -> None:
    folder = tmp_path / "cifs"
    folder.mkdir()
    assert "no CIF files in this folder" in str(rmatch("import", folder).exception)
    for number in range(4):
        (folder / f"{number}.cif").write_text(crystal(number))
    (folder / "1.cif").write_text("data_nothing\n")
    (folder / "3.cif.gz").write_bytes(gzip.compress(crystal(5).encode()))
    result = rmatch("import", folder, "--source", "my measurements", "--group", "batteries")
    assert result.stdout == summary(4, 0, 0, 1)
    assert "unreadable: '1.cif: there is no data block with atoms in it'" in result.stderr
    assert {(item.source, item.group) for item in stored().values()} == {("my measurements", "batteries")}


def test_rows_of_a_table_are_read_one_by_one(tmp_path: Path, rmatch: Command, stored: Stored) -> None:
    file = tmp_path / "some.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("material_id", "cif"), ("a", crystal(0)), ("b", "data_x"), ("c", crystal(1)), ("d",)]
        )
    assert rmatch("import", file).stdout == summary(2, 0, 0, 2)
    assert stored().keys() == {"a", "c"}


def test_a_file_of_any_length_is_scanned_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "long.xyz.gz"
    with gzip.open(file, "wt", compresslevel=1) as stream:
        stream.writelines(frames(0, 30_000))
    tracemalloc.start()
    try:
        n = sum(1 for _ in scan_structures(file, FileLimits()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 30_000
    assert peak < 2 * 2**20, "the text alone is 2 MB"


def test_counts_beyond_all_bounds_are_no_counts(tmp_path: Path) -> None:
    file = tmp_path / "x.xyz"
    for count in ("-1", "9" * 5000, "1.5", ""):
        file.write_text(f"{count}\nx\n")
        with pytest.raises(FileFormatError, match=r"line [12]: expected a number of atoms"):
            list(scan_structures(file, FileLimits()))


def test_imports_are_listed_the_latest_first(tmp_path: Path, rmatch: Command) -> None:
    assert json.loads(rmatch("list", "--json").stdout) == []
    for name, n in (("first", 2), ("second", 3)):
        (tmp_path / f"{name}.extxyz").write_text("".join(frames(0, n)))
        assert rmatch("import", tmp_path / f"{name}.extxyz").exit_code == 0
    listed = json.loads(rmatch("list", "--json").stdout)
    assert [Path(item["source"]).name for item in listed] == ["second.extxyz", "first.extxyz"]
    assert [(item["n_new"], item["n_known"], item["is_finished"]) for item in listed] == [(1, 2, True), (2, 0, True)]
    shown = rmatch("list").stdout
    assert shown.index("second.extxyz") < shown.index("first.extxyz")
    assert shown.count("finished") == 2
