"""Examples of answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

_JOB_ID: Final = "01m82bdrpfe9r60xv08f1264tt"
_STRUCTURE_ID: Final = f"{_JOB_ID}-00003"
_FINGERPRINT: Final = "5a3c9e0f17d2"

_JOB: Final[dict[str, Any]] = {
    "id": _JOB_ID,
    "state": "running",
    "progress": 0.4,
    "counts": {
        "requested": 30,
        "finished": 12,
        "generated": 12,
        "converged": 11,
        "failed": 0,
        "matched": 2,
        "unique": None,
    },
    "n_steps": 1830,
    "error": None,
    "spec": {"composition": "LiS2", "n": 30, "model": "mp20-plus", "seed": 4711, "fmax": 0.01, "max_steps": 2000},
    "formulas": [{"formula": "LiS2", "n": 30}],
    "created_at": "2026-11-23T08:00:00Z",
    "started_at": "2026-11-23T08:00:01Z",
    "finished_at": None,
    "links": {"self": f"/jobs/{_JOB_ID}", "structures": f"/structures?job={_JOB_ID}"},
}

_ATOMS: Final[dict[str, Any]] = {
    "numbers": [3, 3, 16],
    "positions": [[1.427, 1.427, 1.427], [4.281, 4.281, 4.281], [0.0, 0.0, 0.0]],
    "cell": [[0.0, 2.854, 2.854], [2.854, 0.0, 2.854], [2.854, 2.854, 0.0]],
    "periodic": [True, True, True],
}

_STRUCTURE: Final[dict[str, Any]] = {
    "id": _STRUCTURE_ID,
    "job": _JOB_ID,
    "sample": 3,
    "formula": "Li2S",
    "reduced_formula": "Li2S",
    "chemsys": "Li-S",
    "n_atoms": 3,
    "volume_per_atom": 15.5,
    "model": "mp20-plus",
    "model_fingerprint": _FINGERPRINT,
    "pseudo_energy_per_atom": -1.73,
    "formation_energy_per_atom": -1.42,
    "energy_kind": "formation",
    "energy_above_hull": 0.0,
    "space_group": {"number": 225, "symbol": "Fm-3m"},
    "molecule": None,
    "start": "wyckoff",
    "start_origin": "225 ac",
    "converged": True,
    "n_steps": 214,
    "matches": [{"reference": "0f3a5c7e9b1d", "name": "lithium sulphide", "formula": "Li2S", "rms": 0.004}],
    "duplicate_of": None,
    "created_at": "2026-11-23T08:00:04Z",
    "links": {"self": f"/structures/{_STRUCTURE_ID}", "job": f"/jobs/{_JOB_ID}"},
}

_POINTS: Final[dict[str, Any]] = {
    "id": [_STRUCTURE_ID],
    "model": ["mp20-plus"],
    "reduced_formula": ["Li2S"],
    "energy": [-1.42],
    "energy_above_hull": [0.0],
    "volume_per_atom": [15.5],
    "known": [True],
    "duplicate": [False],
    "is_complete": True,
}

_MODEL: Final[dict[str, Any]] = {
    "name": "mp20-plus",
    "fingerprint": _FINGERPRINT,
    "boundary": "crystal",
    "elements": ["Li", "S"],
    "energy_kind": "formation",
    "data": "MP-20, the training split",
    "scores": {"validation_force_rmse": 0.12},
    "potential": {"cutoff": 5.0, "l_max": 2, "nu_max": 2},
    "links": {"self": "/models/mp20-plus"},
}

_REFERENCE: Final[dict[str, Any]] = {
    "id": "0f3a5c7e9b1d",
    "name": "lithium sulphide",
    "source": "Wyckoff, Crystal Structures, 2nd ed., vol. 1 (1963)",
    "formula": "Li2S",
    "chemsys": "Li-S",
    "n_atoms": 3,
    "created_at": "2026-11-23T08:00:00Z",
}

EXAMPLES: Final[dict[str, Any]] = {
    "JobItem": _JOB,
    "StructureItem": _STRUCTURE,
    "StructureDetail": {**_STRUCTURE, "atoms": _ATOMS},
    "StructurePoints": _POINTS,
    "Atoms": _ATOMS,
    "ModelItem": _MODEL,
    "ReferencePage": {"items": [_REFERENCE], "next": None},
}
"""By the name of the schema. Set into the document as it is, for FastAPI would take out what is null."""
