"""What a figure was measured with: models, files and programs, so that it can be measured again."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ase import Atoms

_PROGRAMS: Final = ("rmatch", "torch", "numpy", "ase", "pymatgen", "spglib")
_N_DIGITS: Final = 16


def describe_programs() -> dict[str, str]:
    """Versions of what figures depend on."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        name: version(name) for name in _PROGRAMS
    }


def fingerprint_file(path: Path) -> str:
    """First digits of the SHA-256 of a file; of a folder, of its files in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:_N_DIGITS]


def fingerprint_model(path: Path) -> str:
    """First digits of the SHA-256 of a checkpoint, card and weights; ``path`` is that of the card."""
    digest = hashlib.sha256()
    for file in (path, path.with_suffix(".safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:_N_DIGITS]


def fingerprint_atoms(atoms: Atoms) -> str:
    """First digits of the SHA-256 of a structure's elements, positions and cell."""
    digest = hashlib.sha256()
    for array in (atoms.numbers, atoms.positions, atoms.cell.array):
        digest.update(array.tobytes())
    return digest.hexdigest()[:_N_DIGITS]
