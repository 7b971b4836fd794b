"""What users of a busy service ask for: nine reads to one job, over a database that has been filled for years."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from benchmarks.traffic import Call

SUBMIT: Final = "POST /generate"
COMPOSITIONS: Final = ("LiS2", "Li2S", "Li3PS4", "NaCl", "MgO", "SiO2", "TiO2", "KZnF3", "Al2O3", "GaN")
_SYSTEMS: Final = ("Cl-Li-P-S", "Li-S", "O-Si", "Li-O", "Li-O-P", "Fe-O", "Na-O", "Cl-Li")
_READS: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "GET /jobs/{id}": (22, ("/jobs/{job}",)),
    "GET /jobs": (6, ("/jobs", "/jobs?state=queued", "/jobs?state=succeeded")),
    "GET /structures": (
        22,
        (
            "/structures",
            "/structures?chemsys={system}",
            "/structures?chemsys={system}&sort=energy",
            "/structures?composition=LiS2&sort=energy",
            "/structures?elements=Li,S",
            "/structures?matched=true&sort=-created",
            "/structures?unique=true&converged=true&sort=energy_above_hull",
            "/structures?energy_above_hull_max=0.05",
            "/structures?model=mp20-plus&matched=true",
            "/structures?model=qm7b&passes_checks=true",
            "/structures?start=wyckoff&chemsys={system}",
        ),
    ),
    "GET /structures, next page": (6, ("{next_page}",)),
    "GET /structures?hull=true": (10, ("/structures?hull=true&chemsys={system}&sort=energy_above_hull",)),
    "GET /structures/{id}": (8, ("/structures/{structure}",)),
    "GET /structures/{id} as CIF": (8, ("/structures/{structure}?format=cif",)),
    "GET /references": (4, ("/references", "/references?composition=LiS2")),
    "GET /models": (4, ("/models", "/models/mp20-plus")),
}
"""Reads: how often each kind comes, in a hundred requests, and what it asks for."""

_SUBMITS: Final = 10
"""The same of submits."""

_REPEATED: Final = 0.1
"""Share of the submits that are sent again: their key gives the same job, and no second one."""


@dataclass
class Users:
    """Draws requests, and remembers what the answers told.

    Attributes:
        jobs: ids of jobs to ask for; accepted ones are added.
        structures: ids of structures to ask for.
        headers: sent with every request.
        n_samples: least and most structures of a job.
        seed: of the draws.
    """

    jobs: list[str]
    structures: list[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    n_samples: tuple[int, int] = (20, 40)
    seed: int = 0
    accepted: dict[str, str] = field(default_factory=dict)
    _next_page: str = "/structures"

    def calls(self) -> Iterator[Call]:
        """Requests without end."""
        rng = random.Random(self.seed)
        kinds = [SUBMIT, *_READS]
        weights = [_SUBMITS, *(weight for weight, _ in _READS.values())]
        while True:
            yield self.draw(rng.choices(kinds, weights)[0], rng)

    def draw(self, kind: str, rng: random.Random) -> Call:
        """A request of one kind."""
        if kind == SUBMIT:
            return self._submit(rng)
        path = rng.choice(_READS[kind][1]).format(
            job=rng.choice(self.jobs),
            structure=rng.choice(self.structures),
            system=rng.choice(_SYSTEMS),
            next_page=self._next_page,
        )
        on_answer = self._note_page if path.startswith("/structures?") else _is_ok
        return Call(kind, self._write("GET", path), on_answer)

    def _submit(self, rng: random.Random) -> Call:
        if self.accepted and rng.random() < _REPEATED:
            key = rng.choice(list(self.accepted)[-100:])
        else:
            key = f"load-{self.seed}-{rng.getrandbits(64):016x}"
        drawn = random.Random(key)  # the same body for the same key
        composition, n = drawn.choice(COMPOSITIONS), drawn.randint(*self.n_samples)
        body = {"composition": composition, "n": n, "formula_units": 1, "seed": 1}
        request = self._write("POST", "/generate", body, {"Idempotency-Key": key})
        return Call(SUBMIT, request, partial(self._note_job, key))

    def _note_job(self, key: str, status: int, head: bytes, _body: bytes) -> bool:
        found = re.search(rb"location: /jobs/(\w+)", head, re.IGNORECASE)
        if status != 202 or found is None:
            return False
        job_id = found[1].decode()
        if key not in self.accepted:
            self.jobs.append(job_id)
        return self.accepted.setdefault(key, job_id) == job_id

    def _note_page(self, status: int, _head: bytes, body: bytes) -> bool:
        found = re.search(rb'"next":"([^"]+)"}$', body[-2000:])
        self._next_page = found[1].decode() if found else "/structures"
        return status == 200

    def _write(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Host": "localhost", **self.headers, **(headers or {})}
        if body is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + content


def _is_ok(status: int, _head: bytes, _body: bytes) -> bool:
    return status == 200
