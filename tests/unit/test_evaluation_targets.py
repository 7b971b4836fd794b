"""Targets, and the references that their searches may use."""

from __future__ import annotations

import pytest
from ase.build import bulk

from rm_engine.errors import InputError
from rm_engine.evaluation.references import References
from rm_engine.evaluation.targets import Target, choose_targets, read_targets
from rm_engine.files import write_structure

SALT = bulk("NaCl", "rocksalt", a=5.64)
DENSE_SALT = bulk("NaCl", "cesiumchloride", a=3.4)
SILICON = bulk("Si", "diamond", a=5.43)


def write(path, *structures):
    frames = []
    for name, atoms in structures:
        named = atoms.copy()
        named.info["material_id"] = name
        frames.append(write_structure(named, "extxyz"))
    path.write_text("".join(frames))
    return path


@pytest.fixture
def file(tmp_path):
    return write(
        tmp_path / "known.extxyz", ("salt", SALT), ("dense", DENSE_SALT), ("si", SILICON), ("big", SILICON.repeat(2))
    )


def test_targets_know_their_polymorphs(file):
    targets = {target.name: target for target in read_targets(file)}
    assert [name for name, _ in targets["salt"].polymorphs] == ["dense"]
    assert [name for name, _ in targets["si"].polymorphs] == ["big"]
    assert targets["big"].formula == "Si16"


def test_large_cells_are_left_out(file):
    targets = read_targets(file, max_atoms=2)
    assert [target.name for target in targets] == ["salt", "dense", "si"]
    assert targets[2].polymorphs == ()


def test_fewer_targets_are_a_part_of_more(file):
    targets = read_targets(file)
    few, more = (choose_targets(targets, n, seed=1) for n in (2, 4))
    assert few == more[:2]
    assert choose_targets(targets, None, seed=1) == targets


@pytest.mark.parametrize("content", [[("same", SALT), ("same", SILICON)], [("big", SILICON.repeat(3))]])
def test_unusable_files_are_refused(tmp_path, content):
    with pytest.raises(InputError):
        read_targets(write(tmp_path / "known.extxyz", *content), max_atoms=20)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_targets(tmp_path / "none.extxyz")


def test_what_is_the_target_is_no_reference():
    references = References(
        [
            ("the same id", SILICON),
            ("other salt", bulk("LiF", "rocksalt", a=4.0)),
            ("supercell of it", SALT.repeat((2, 1, 1))),
            ("polymorph", DENSE_SALT),
            ("salt", bulk("KBr", "rocksalt", a=6.6)),
        ]
    )
    chosen, n_left_out = references.choose(Target("salt", "NaCl", SALT))
    assert [name for name, _ in chosen] == ["other salt", "polymorph"]
    assert n_left_out == 2, "a supercell of the target, and one that bears its name; silicon is of another pattern"
