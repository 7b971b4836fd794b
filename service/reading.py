"""Reads the text of a structure file in a process that can do nothing else: the child of :mod:`service.sandbox`.

``python -m service.reading SECONDS BYTES`` takes ``[text, format]`` as JSON on its standard input, and answers on its
standard output with a list of structures, or with the fields of an :class:`InputError`. Of a model, in Base64, it
answers with the card.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from base64 import b64decode, b64encode
from contextlib import closing
from typing import Any, Final

from rm_engine.errors import CheckpointError, InputError
from rm_engine.files import FileLimits, Format, parse_structures, to_json
from rm_engine.spec import unpack_card
from rm_engine.spec.limits import MAX_ATOMS
from service.confinement import limit, seal

MODEL: Final = "model"
"""The format that is none of structures."""
MAX_CUTOFF: Final = 8.0
"""Å, of an uploaded model: neighbours grow with its cube, and no shipped model has more than 4.5."""
MAX_STRUCTURES: Final = 1000
MAX_ANSWER_BYTES: Final = 32 * 1024**2


def _make_database() -> str:
    """An atom in a database as ASE makes them, in Base64."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE systems AS SELECT 1 AS id, x'03000000' AS numbers, zeroblob(24) AS positions, "
            "zeroblob(72) AS cell, 0 AS pbc, NULL AS energy, NULL AS key_value_pairs"
        )
        return b64encode(connection.serialize()).decode()


_EXAMPLES: Final[dict[Format, str]] = {
    "ase-db": _make_database(),
    "poscar": "\n1\n3 0 0\n0 3 0\n0 0 3\nLi\n1\ndirect\n0 0 0\n",
    "pymatgen": '{"lattice": {"matrix": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]}, "sites": '
    '[{"species": [{"element": "Li", "occu": 1}], "abc": [0, 0, 0], "xyz": [0, 0, 0]}]}',
    "sdf": "\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0000    0.0000    0.0000 Li\n",
    "extxyz": '1\nLattice="3 0 0 0 3 0 0 0 3"\nLi 0 0 0\n',
    "cif": "data_a\n_symmetry_space_group_name_H-M 'P m -3 m'\n"
    + "".join(f"_cell_length_{axis} 3\n" for axis in "abc")
    + "".join(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma"))
    + "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nLi 0 0 0\n",
}


def load_parser(format_: Format) -> None:
    """Read an example: parsers import what they need, and load their tables, only when they are used."""
    answer(_EXAMPLES[format_], format_)


def answer(text: str, format_: Format) -> list[dict[str, Any]] | dict[str, str]:
    """The structures of a text as :func:`to_json` writes them, or why there are none: code, value, reason, hint."""
    limits = FileLimits(max_bytes=len(text), max_frames=MAX_STRUCTURES, max_atoms=MAX_ATOMS)
    refusal = InputError("no_structures", "content", text, "there is no structure in it", "Send at least one.")
    try:
        structures = [to_json(atoms) for atoms in parse_structures(text, format_, "content", limits)]
    except InputError as error:
        structures, refusal = [], error
    return structures or _tell(refusal)


def answer_card(content: bytes) -> dict[str, str]:
    """The card of a model, or why it is none."""
    hint = "Send a file as GET /models/{name}/file gives it."
    try:
        card = unpack_card(content)
    except CheckpointError as error:
        return _tell(InputError("unreadable_model", "content", "a file", str(error), hint))
    cutoff = max(config.cutoff for config in (card.potential, card.formation) if config is not None)
    if cutoff > MAX_CUTOFF:
        reason = f"a cutoff beyond {MAX_CUTOFF:g} Å has too many neighbours"
        return _tell(InputError("unreadable_model", "content", f"{cutoff:g} Å", reason, "Train with a shorter one."))
    return {"card": card.to_json()}


def _tell(refusal: InputError) -> dict[str, str]:
    return {name: getattr(refusal, name) for name in ("code", "value", "reason", "hint")}


if __name__ == "__main__":
    limit(int(sys.argv[1]), int(sys.argv[2]), MAX_ANSWER_BYTES)
    content, format_name = json.load(sys.stdin)
    if format_name == MODEL:
        seal()
        json.dump(answer_card(b64decode(content)), sys.stdout)
    else:
        load_parser(format_name)
        seal()
        json.dump(answer(content, format_name), sys.stdout)
