"""What a figure was measured with: structures, files and programs, so that it can be measured again."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ase import Atoms

_PROGRAMS: Final = ("rmatch", "torch", "numpy", "ase", "pymatgen", "spglib", "moyopy")
_N_DIGITS: Final = 16
_ENGINE: Final = Path(__file__).resolve().parent.parent
_WITHOUT_EFFECT: Final = {"evaluation", "figures", "files", "response", "training"}
"""Packages of the engine that do not decide what a search with a trained model finds."""


def describe_programs() -> dict[str, str]:
    """Versions of what figures depend on, and a fingerprint of the search itself, which may be a working copy."""
    own = [
        file
        for file in sorted(_ENGINE.rglob("*"))
        if file.suffix in {".py", ".gz"} and file.relative_to(_ENGINE).parts[0] not in _WITHOUT_EFFECT
    ]
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "search": _fingerprint(file.read_bytes() for file in own),
    } | {name: version(name) for name in _PROGRAMS}


def fingerprint_file(path: Path) -> str:
    """First digits of the SHA-256 of a file; of a folder, of its files in the order of their names."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return _fingerprint(file.read_bytes() for file in files if file.is_file())


def fingerprint_atoms(atoms: Atoms) -> str:
    """First digits of the SHA-256 of a structure's elements, positions and cell."""
    return _fingerprint(array.tobytes() for array in (atoms.numbers, atoms.positions, atoms.cell.array))


def _fingerprint(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:_N_DIGITS]
