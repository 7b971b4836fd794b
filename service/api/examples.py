"""Examples of answers, for the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any, Final

_JOB_ID: Final = "01m82bdrpfe9r60xv08f1264tt"
_STRUCTURE_ID: Final = f"{_JOB_ID}-00003"
_FINGERPRINT: Final = "5a3c9e0f17d2"

_JOB: Final[dict[str, Any]] = {
    "id": _JOB_ID,
    "kind": "generate",
    "model": "mp20-plus",
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

_OPINION: Final[dict[str, Any]] = {
    "potential": "CHGNet 0.3.0",
    "energy_per_atom": -4.15,
    "formation_energy_per_atom": -1.46,
    "volume_per_atom": 15.4,
    "is_kept": True,
    "converged": True,
    "n_steps": 12,
    "job": "01m82c6t8nq1x2v9fkz0w5ab3r",
    "created_at": "2026-11-23T08:02:11Z",
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
    "band_gap": 3.4,
    "energy_kind": "formation",
    "energy_above_hull": 0.0,
    "space_group": {"number": 225, "symbol": "Fm-3m"},
    "molecule": None,
    "opinion": _OPINION,
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
    "opinion_energy": [-1.46],
    "known": [True],
    "duplicate": [False],
    "is_complete": True,
}

_CURVE: Final[dict[str, Any]] = {
    "epoch": [1, 2],
    "loss": [0.51, 0.22],
    "force_rmse": [0.62, 0.41],
    "validation_loss": [0.48, 0.2],
    "validation_force_rmse": [0.6, 0.38],
    "validation_stress_rmse": [0.11, 0.07],
}

_MODEL: Final[dict[str, Any]] = {
    "name": "mp20-plus",
    "fingerprint": _FINGERPRINT,
    "boundary": "crystal",
    "elements": ["Li", "S"],
    "energy_kind": "formation",
    "data": "MP-20, the training split",
    "own": False,
    "scores": {"validation_force_rmse": 0.12},
    "potential": {"cutoff": 5.0, "l_max": 2, "nu_max": 2},
    "links": {"self": "/models/mp20-plus", "file": "/models/mp20-plus/file"},
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

_MODEL_DETAIL: Final[dict[str, Any]] = {
    **_MODEL,
    "formation": {"cutoff": 6.0, "l_max": 3, "nu_max": 3},
    "reference_energies": {"Li": 0.0, "S": 0.0},
    "recipe": {"epochs": 40, "seed": 0},
    "training": {"source": "MP-20, the training split", "n_structures": 27136},
}

_WORKER: Final[dict[str, Any]] = {
    "name": "node-7:4211",
    "host": "node-7",
    "version": "0.2.0",
    "device": "cpu",
    "started_at": "2026-11-23T07:00:00Z",
    "seen_at": "2026-11-23T08:00:03Z",
    "is_fresh": True,
    "chunk": f"{_JOB_ID}-0000",
    "counters": {"attempts_done": 41, "structures": 1300},
}

_READINESS: Final[dict[str, Any]] = {
    "status": "degraded",
    "database": "ready",
    "broker": "ready",
    "fresh_workers": 0,
    "draining": False,
}


def _page(item: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    return {"items": [item], "next": following}


EXAMPLES: Final[dict[str, Any]] = {
    "JobItem": _JOB,
    "JobPage": _page(_JOB, "/jobs?cursor=WyIwMW04MmJkcnBmZTlyNjB4djA4ZjEyNjR0dCJd"),
    "StructureItem": _STRUCTURE,
    "StructurePage": _page(_STRUCTURE),
    "StructureDetail": {**_STRUCTURE, "atoms": _ATOMS},
    "StructurePoints": _POINTS,
    "Atoms": _ATOMS,
    "OpinionItem": _OPINION,
    "OpinionDetail": {**_OPINION, "atoms": _ATOMS},
    "ModelItem": _MODEL,
    "ModelList": _page(_MODEL),
    "ModelDetail": _MODEL_DETAIL,
    "TrainingCurve": _CURVE,
    "ReferencePage": _page(_REFERENCE),
    "WorkerList": _page(_WORKER),
    "Liveness": {"status": "alive"},
    "Readiness": _READINESS,
}
"""By the name of the schema. Set into the document as it is, for FastAPI would take out what is null."""

_EXTXYZ: Final = """3
Lattice="0.0 2.854 2.854 2.854 0.0 2.854 2.854 2.854 0.0" Properties=species:S:1:pos:R:3 pbc="T T T"
Li       1.427       1.427       1.427
Li       4.281       4.281       4.281
S        0.000       0.000       0.000
"""

_POSCAR: Final = """Li2S
1.0
0.0 2.854 2.854
2.854 0.0 2.854
2.854 2.854 0.0
Li S
2 1
Cartesian
1.427 1.427 1.427
4.281 4.281 4.281
0.0 0.0 0.0
"""

_CIF: Final = """data_Li2S
_cell_length_a 4.036
_cell_length_b 4.036
_cell_length_c 4.036
_cell_angle_alpha 60
_cell_angle_beta 60
_cell_angle_gamma 60
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Li 0.25 0.25 0.25
Li 0.75 0.75 0.75
S 0.0 0.0 0.0
"""

_SDF: Final = """water

one molecule
  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.1173 O   0  0  0  0  0  0  0  0  0  0  0  0
    0.0000    0.7572   -0.4692 H   0  0  0  0  0  0  0  0  0  0  0  0
    0.0000   -0.7572   -0.4692 H   0  0  0  0  0  0  0  0  0  0  0  0
  1  2  1  0
  1  3  1  0
M  END
$$$$
"""

_PYMATGEN: Final[dict[str, Any]] = {
    "@module": "pymatgen.core.structure",
    "@class": "Structure",
    "charge": 0,
    "lattice": {"matrix": _ATOMS["cell"], "pbc": _ATOMS["periodic"]},
    "properties": {},
    "sites": [
        {"species": [{"element": symbol, "occu": 1}], "abc": place, "label": symbol, "properties": {}}
        for symbol, place in (("Li", [0.25] * 3), ("Li", [0.75] * 3), ("S", [0.0] * 3))
    ],
}

_FILES: Final[dict[str, Any]] = {
    "chemical/x-cif": _CIF,
    "chemical/x-vasp-poscar": _POSCAR,
    "chemical/x-mdl-sdfile": _SDF,
    "chemical/x-xyz": _EXTXYZ,
    "application/vnd.pymatgen+json": _PYMATGEN,
    "application/jsonl": json.dumps({**_STRUCTURE, "structure": _PYMATGEN}) + "\n",
}


def describe_file(media_type: str) -> dict[str, Any]:
    """How the OpenAPI document describes a file: with an example, where it is not of bytes that nobody reads."""
    if media_type not in _FILES:
        return {"schema": {"type": "string", "format": "binary"}}
    example = _FILES[media_type]
    return {"schema": {"type": "string" if isinstance(example, str) else "object"}, "example": example}


EXAMPLE_EVENTS: Final = f"""event: structure
id: 1
data: {{"id": "{_JOB_ID}-00000", "formula": "Li2S", "formation_energy_per_atom": -1.42, "converged": true}}

event: job
id: 1
data: {{"id": "{_JOB_ID}", "state": "running", "progress": 0.03}}

event: end
id: 30
data: succeeded

"""
