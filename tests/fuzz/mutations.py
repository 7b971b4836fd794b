"""Structure files as they should not be: real ones, each with a few things done to it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from ase import Atoms

from rm_engine.files import (
    Format,
    WrittenFormat,
    append_to_ase_db,
    from_json,
    read_crystals,
    write_sdf,
    write_structure,
    write_xyz,
)
from service.jobs.references import KNOWN_CRYSTALS

NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
ODD_NUMBERS: Final = (
    "0", "-1", "-0.0", "1e308", "-1e308", "1e999", "1e-320", "nan", "inf", "-inf", "99999999999999999999",
    "9" * 5000, "0x10", "1_0", "٣", "½", "1/0", "1/3", "0.33333333(9)", "1e9999999999", "", ".", "?", "1e5",
    "2147483648", "200", "201",
)  # fmt: skip
ODD_TEXT: Final = (
    "\0", "\ufeff", "\u202e", "\ud800", "\u2028", "é", "𝟙", "\x1b[2J", "\r", "\t", "'", '"', ";\n", "\n;", "#", "_",
    "\\", "loop_", "\nloop_\n", "data_", "\ndata_x\n", "save_", "global_", "stop_", "{}", "%s%n", "../../etc/passwd",
    "${HOME}", "x,y,z", "_symmetry_equiv_pos_as_xyz", "_atom_site_occupancy", "_space_group_name_H-M_alt", "Lattice=",
    "pbc=", "Properties=", "species:S:1:pos:R:3", "__import__('os')", "[[[[", "((((",
)  # fmt: skip
SYMMETRIC_CIF: Final = """data_NaCl
_symmetry_space_group_name_H-M   'F m -3 m'
_symmetry_Int_Tables_number   225
_cell_length_a   5.62
_cell_length_b   5.62
_cell_length_c   5.62
_cell_angle_alpha   90
_cell_angle_beta   90
_cell_angle_gamma   90
_cell_volume   177.5
_chemical_formula_sum   'Na4 Cl4'
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
  2  '-x, -y, z'
  3  'z, x, y'
  4  'x, y+1/2, z+1/2'
  5  'x+1/2, y, z+1/2'
  6  'x+1/2, y+1/2, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_symmetry_multiplicity
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Na  Na0  4  0.0  0.0  0.0  1
  Cl  Cl1  4  0.5  0.5  0.5  1
"""
SYMBOL_ONLY_CIF: Final = re.sub(r"loop_\n _symmetry_equiv.*?(?=loop_\n _atom)", "", SYMMETRIC_CIF, flags=re.DOTALL)
CHARGED_CIF: Final = SYMMETRIC_CIF.replace("Na  Na0", "Na+ Na0").replace("Cl  Cl1", "Cl- Cl1") + (
    "loop_\n _atom_type_symbol\n _atom_type_oxidation_number\n  Na+ 1.0\n  Cl- -1.0\n"
    "_publ_contact_author\n;\nsomeone\nloop_ of nobody\n;\n"
)
SELECTIVE_POSCAR: Final = """selective
-40.0
3 0 0.1
0 3 0
0 0 3
Li_sv S
1 2
Selective dynamics
Cartesian
0.0 0.0 0.0 T T F
0.5 0.5 0.5 F F F
1.5 1.5 1.5 T T T
"""


def read_originals() -> list[tuple[str, Format]]:
    """Files that are as they should be, of every format that can be uploaded, and of some that cannot."""
    written: tuple[WrittenFormat, ...] = ("cif", "poscar", "extxyz", "pymatgen")
    crystals = [crystal.to_atoms() for crystal in read_crystals(KNOWN_CRYSTALS)[::13]]
    originals = [(write_structure(atoms, format_), format_) for atoms in crystals for format_ in written]
    water = from_json({
        "numbers": [8, 1, 1],
        "positions": [[0, 0, 0], [0, 0, 0.96], [0.92, 0, -0.26]],
        "cell": [[0, 0, 0]] * 3,
        "periodic": [False] * 3,
    })  # fmt: skip
    originals += [(cif, "cif") for cif in (SYMMETRIC_CIF, SYMBOL_ONLY_CIF, CHARGED_CIF)] * 4
    originals += [(SELECTIVE_POSCAR, "poscar"), (write_xyz(water, "water"), "extxyz"), (write_sdf(water), "extxyz")]
    originals += [
        (write_sdf(water, ((0, 1, 1), (0, 2, 1))), "sdf"),
        (_write_database(water, *crystals[:3]), "ase-db"),
    ] * 8
    originals += [
        ("".join(text for text, format_ in originals[:9] if format_ == kind), kind) for kind in ("cif", "extxyz")
    ]
    return originals


def _write_database(*structures: Atoms) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder, "some.db")
        append_to_ase_db(path, structures)
        return b64encode(path.read_bytes()).decode()


def mutate(originals: list[tuple[str, Format]], seed: int) -> tuple[str, Format]:
    """One of the files after one to four mutations; one in twenty says that it is of another format."""
    random = Random(seed)
    text, format_ = random.choice(originals)
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        text = random.choice(_MUTATIONS)(text, random, random.choice(originals)[0])[:200_000]
    return text or " ", random.choice(originals)[1] if random.random() < 0.05 else format_


def mutate_many(n: int, first_seed: int = 0) -> Iterator[tuple[str, Format]]:
    """``n`` mutated files."""
    originals = read_originals()
    return (mutate(originals, seed) for seed in range(first_seed, first_seed + n))


def _flip(text: str, random: Random, _other: str) -> str:
    characters = list(text)
    for _ in range(random.randint(1, 20)):
        k = random.randrange(len(characters) or 1)
        characters[k : k + 1] = chr(random.randrange(32, 127))
    return "".join(characters)


def _cut(text: str, random: Random, _other: str) -> str:
    start, stop = _span(text, random)
    return text[:start] if random.random() < 0.5 else text[:start] + text[stop:]


def _repeat(text: str, random: Random, _other: str) -> str:
    start, stop = _span(text, random)
    return text[:start] + text[start:stop] * random.choice((2, 3, 30, 1000)) + text[stop:]


def _repeat_line(text: str, random: Random, _other: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    k = random.randrange(len(lines))
    return "".join([*lines[:k], *[lines[k]] * random.choice((2, 5, 300, 5000)), *lines[k + 1 :]])


def _shuffle_lines(text: str, random: Random, _other: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    start = random.randrange(len(lines))
    some = lines[start : start + random.randint(2, 10)]
    random.shuffle(some)
    return "".join([*lines[:start], *some, *lines[start + len(some) :]])


def _change_numbers(text: str, random: Random, _other: str) -> str:
    share, odd = random.choice((0.05, 0.05, 0.3, 1)), random.choice(ODD_NUMBERS)
    return NUMBER.sub(lambda found: odd if random.random() < share else found[0], text)


def _flatten_cell(text: str, random: Random, _other: str) -> str:
    """Every number of a few lines the same: cells without volume, atoms in one place."""
    lines = text.splitlines(keepends=True) or [""]
    start, odd = random.randrange(len(lines)), random.choice(("0", "1", "180", "1e-9", "1e5", "120"))
    changed = [NUMBER.sub(odd, line) for line in lines[start : start + random.randint(1, 6)]]
    return "".join([*lines[:start], *changed, *lines[start + len(changed) :]])


def _multiply_symmetry(text: str, random: Random, _other: str) -> str:
    """Thousands of symmetry operations, none like another."""
    axes = ("x", "y", "z", "-x", "-y", "-z", "x-y", "x+1/2", "y*2", "z/0", "x+1/97", "1e400*x")
    n = random.choice((10, 192, 1000))
    operations = [f"{k} '{', '.join(random.choices(axes, k=3))}+{k}/{n}'\n" for k in range(n)]
    head, name, tail = text.partition("_symmetry_equiv_pos_as_xyz\n")
    return head + name + "".join(operations) + tail


def _insert(text: str, random: Random, _other: str) -> str:
    for _ in range(random.randint(1, 5)):
        k = random.randint(0, len(text))
        text = text[:k] + random.choice(ODD_TEXT) * random.choice((1, 1, 1, 50)) + text[k:]
    return text


def _nest(text: str, random: Random, _other: str) -> str:
    opening, closing = random.choice((("[", "]"), ("{", "}"), ("(", ")"), ("loop_\n", ""), ('"', '"'), ("'", "'")))
    start, stop = _span(text, random)
    depth = random.choice((2, 100, 20_000))
    return text[:start] + opening * depth + text[start:stop] + closing * depth + text[stop:]


def _splice(text: str, random: Random, other: str) -> str:
    return text[: _span(text, random)[0]] + other[_span(other, random)[0] :]


def _exchange_elements(text: str, random: Random, _other: str) -> str:
    old = random.choice(re.findall(r"\b[A-Z][a-z]?\b", text) or ["Na"])
    return re.sub(
        rf"\b{old}\b", random.choice(("X", "D", "Xx", "Uue", "Li+99", "H", "Fe3+", "Na,Cl", "T", "0", "")), text
    )


def _span(text: str, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(text))
    return start, min(len(text), start + random.choice((1, 10, 100, 1000)))


_MUTATIONS: Final[tuple[Callable[[str, Random, str], str], ...]] = (
    _flip, _cut, _repeat, _repeat_line, _shuffle_lines, _change_numbers, _flatten_cell, _multiply_symmetry, _insert,
    _nest, _splice, _exchange_elements,
)  # fmt: skip
