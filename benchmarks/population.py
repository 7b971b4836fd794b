"""A database as a group would fill it in years: campaigns of all sizes in thousands of chemical systems."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Final, TypeVar

import numpy as np
import psycopg

from rm_engine.analysis import hull_energies
from rm_engine.spec import parse_formula
from service.store import Store
from service.store.engine import make_engine
from service.store.tables import structures

FINGERPRINT: Final = "0123456789ab"
HOT_SYSTEM: Final = ("Cl", "Li", "P", "S")
"""The chemical system that was searched most."""

_SYMBOLS: Final = (
    "O", "Li", "S", "Si", "Fe", "F", "P", "N", "Na", "Mg", "Al", "Cl", "K", "Ca", "Ti", "V", "Cr", "Mn", "Co", "Ni",
    "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd", "Ag", "Cd", "In",
    "Sn", "Sb", "Te", "I", "Cs", "Ba", "La", "Ce", "Nd", "Sm", "Eu", "Gd", "Dy", "Er", "Yb", "Lu", "Hf", "Ta", "W",
    "Re", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "C", "H", "B",
)  # fmt: skip
_JOB_SIZES: Final = ((30, 0.7), (100, 0.2), (300, 0.08), (1000, 0.018), (10_000, 0.002))
_MODELS: Final = (("mp20-plus", 0.8), ("mp20", 0.115), ("qm7b", 0.08), ("diamond", 0.005))
_REFERENCE_ID: Final = "reference-{:03d}"
_N_REFERENCES: Final = 100
_ROWS_AT_ONCE: Final = 10_000
_NULL: Final = r"\N"


Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Campaign:
    """One job: a composition, a model, so many structures."""

    counts: dict[str, int]
    model: str
    n_structures: int

    @property
    def formula(self) -> str:
        return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in self.counts.items())

    @property
    def energy(self) -> float:
        """Lowest energy per atom: elements that differ bind, and every composition has its own luck."""
        number = np.array([_affinity(symbol) for symbol in self.counts])
        shares = np.array(list(self.counts.values())) / sum(self.counts.values())
        luck = np.random.default_rng(list(self.formula.encode())).normal(scale=0.08)
        return float(-2 * (shares @ number**2 - (shares @ number) ** 2) + 0.3 * shares @ np.log(shares) + luck)


def draw_campaigns(n_structures: int, n_in_hot_system: int, seed: int = 0) -> list[Campaign]:
    """Jobs of about ``n_structures``, ``n_in_hot_system`` of them in one system of four elements, in random order."""
    rng = np.random.default_rng(seed)
    hot = [
        Campaign(counts, "mp20-plus", min(30, n_in_hot_system - first))
        for first in range(0, n_in_hot_system, 30)
        for counts in [draw_counts(rng, HOT_SYSTEM)]
    ]
    parts = (subset for size in (1, 2, 3) for subset in combinations(HOT_SYSTEM, size))
    found = hot + [Campaign(draw_counts(rng, part), "mp20-plus", 30) for part in parts for _ in range(3)]
    left = n_structures - sum(campaign.n_structures for campaign in found)
    weights = 1 / (np.arange(len(_SYMBOLS)) + 3)
    while left > 0:
        model = _choose(rng, _MODELS)
        n_elements = 1 if model == "diamond" else rng.choice(5, p=(0.05, 0.35, 0.4, 0.15, 0.05)) + 1
        symbols = rng.choice(_SYMBOLS, n_elements, replace=False, p=weights / weights.sum())
        counts = draw_counts(rng, ("C", "H", "N", "O") if model == "qm7b" else tuple(sorted(symbols)))
        found.append(Campaign({"C": 8} if model == "diamond" else counts, model, min(left, _choose(rng, _JOB_SIZES))))
        left -= found[-1].n_structures
    return [found[k] for k in rng.permutation(len(found))]


def fill(url: str, campaigns: Sequence[Campaign]) -> None:
    """Write the campaigns into an empty PostgreSQL at ``url``: rows by COPY, indexes afterwards."""
    store = Store(url)
    store.migrate()
    store.close()
    engine = make_engine(url)
    with engine.begin() as connection:
        for index in structures.indexes:
            index.drop(connection)
    with psycopg.connect(url, autocommit=True) as client, client.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the rows refer to what is there
        for table, columns, lines in _tables(campaigns):
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy:
                for block in lines:
                    copy.write(block)
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
        for index in structures.indexes:
            index.create(connection)
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as client:
        client.execute("VACUUM ANALYZE")


def _tables(campaigns: Sequence[Campaign]) -> Iterator[tuple[str, Sequence[str], Iterator[str]]]:
    """Name, columns and blocks of lines of each table."""
    now = "2026-01-01 00:00:00+00"
    jobs = (
        f"{_job_id(k)}\tsucceeded\t{json.dumps({'composition': c.formula})}\t{c.n_structures}\t{now}\n"
        for k, c in enumerate(campaigns)
    )
    yield "jobs", ("id", "state", "spec", "n", "created_at"), iter(["".join(jobs)])
    systems = {parse_formula(campaign.formula).chemsys for campaign in campaigns}
    formulas = {parse_formula(campaign.formula).reduced for campaign in campaigns}
    known_formulas = (
        f"{f.reduced}\t{f.chemsys}\t{len(f.elements)}\t{f.anonymous}\n" for f in map(parse_formula, sorted(formulas))
    )
    described = ("reduced_formula", "chemsys", "n_elements", "anonymous_formula")
    yield "compositions", described, iter(["".join(known_formulas)])
    elements = (f"{name}\t{symbol}\n" for name in sorted(systems) for symbol in name.split("-"))
    yield "chemical_system_elements", ("chemsys", "symbol"), iter(["".join(elements)])
    known = (
        f"{_REFERENCE_ID.format(k)}\tknown {k}\tbook\tLi{k}\tLi\tA\tLi\t{k}\t{{}}\t{now}\n"
        for k in range(_N_REFERENCES)
    )
    columns = ("id", "name", "source", "formula", "reduced_formula", "anonymous_formula", "chemsys", "n_atoms")
    yield '"references"', (*columns, "atoms", "created_at"), iter(["".join(known)])
    yield "structures", StructureLines.columns, _blocks(StructureLines(campaigns).lines())
    yield "structure_atoms", ("structure_id", "atoms"), _blocks(_atoms(campaigns))
    yield "matches", ("structure_id", "reference_id", "rms"), _blocks(StructureLines(campaigns).matches())


class StructureLines:
    """The rows of structures, as COPY reads them."""

    columns = (
        "id", "job_id", "sample", "model", "model_fingerprint", "start", "formula", "reduced_formula", "chemsys",
        "n_atoms", "is_crystal", "n_periodic", "volume_per_atom", "pseudo_energy_per_atom", "formation_energy_per_atom",
        "ranking_energy",
        "energy_above_hull", "converged", "n_steps", "space_group_number", "space_group_symbol", "representative_id",
        "smiles", "passes_checks", "molecule", "created_at", "is_matched", "is_unique",
    )  # fmt: skip

    def __init__(self, campaigns: Sequence[Campaign]) -> None:
        self._campaigns = campaigns
        self._hull = _measure_hulls(campaigns)

    def matches(self) -> Iterator[str]:
        """Every 25th structure is a known one."""
        for k, campaign in enumerate(self._campaigns):
            for sample in range(0, campaign.n_structures, 25):
                if campaign.model != "qm7b":
                    yield f"{_job_id(k)}-{sample:05d}\t{_REFERENCE_ID.format((k + sample) % _N_REFERENCES)}\t0.05\n"

    def lines(self) -> Iterator[str]:
        """A line for each structure; the first of a job is its lowest."""
        for k, campaign in enumerate(self._campaigns):
            yield from self._lines_of(k, campaign)

    def _lines_of(self, k: int, campaign: Campaign) -> Iterator[str]:
        rng = np.random.default_rng(k)
        n = campaign.n_structures
        heights = np.concatenate([[0.0], rng.exponential(0.15, n - 1)])
        draws = rng.random((n, 4))
        formula = parse_formula(campaign.formula)
        molecule = campaign.model == "qm7b"
        job_id = _job_id(k)
        boundary = f"f\t0\t{_NULL}" if molecule else f"t\t3\t{15 + len(formula.elements)}"
        about = f"{formula}\t{formula.reduced}\t{formula.chemsys}\t{formula.n_atoms}\t{boundary}"
        hull = None if molecule else self._hull[campaign.model, formula.reduced]
        lowest = campaign.energy
        for sample, (height, draw) in enumerate(zip(heights.tolist(), draws.tolist(), strict=True)):
            energy = lowest + height
            key = f"{job_id}-{sample:05d}"
            converged = sample == 0 or draw[0] < 0.93
            above = repr(max(0.0, energy - hull)) if converged and hull is not None else _NULL
            formation = repr(energy) if campaign.model == "mp20-plus" else _NULL
            original = f"{job_id}-{0 if draw[1] < 0.35 else sample:05d}"
            start = "wyckoff" if draw[2] < 0.3 else "random" if draw[2] < 0.8 else "references"
            rest = (
                f"{_NULL}\t{_NULL}\t{original}\t{'C' * (1 + sample % 9)}O{k % 99}\t{'ft'[draw[3] < 0.6]}\t"
                '{"is_connected": true, "checks": {"a": true, "b": true}, "bonds": [[0, 1, 1]], "charges": []}'
                if molecule
                else f"225\tFm-3m\t{original}\t{_NULL}\t{_NULL}\t{_NULL}"
            )
            yield (
                f"{key}\t{job_id}\t{sample}\t{campaign.model}\t{FINGERPRINT}\t{start}\t{about}\t{energy!r}\t{formation}\t"
                f"{energy!r}\t{above}\t{'ft'[converged]}\t{100 + sample}\t{rest}\t2026-01-01 00:00:00+00\t"
                f"{'ft'[sample % 25 == 0 and not molecule]}\t{'ft'[original == key]}\n"
            )


def _atoms(campaigns: Sequence[Campaign]) -> Iterator[str]:
    for k, campaign in enumerate(campaigns):
        job_id, atoms = _job_id(k), _atoms_json(sum(campaign.counts.values()))
        yield from (f"{job_id}-{sample:05d}\t{atoms}\n" for sample in range(campaign.n_structures))


def _measure_hulls(campaigns: Sequence[Campaign]) -> dict[tuple[str, str], float]:
    """Energy of the hull by model and composition: the true one in the hot system, elsewhere a guess."""
    found: dict[tuple[str, str], float] = {}
    hot: dict[str, Campaign] = {}
    for campaign in campaigns:
        reduced = parse_formula(campaign.formula).reduced
        guess = campaign.energy - max(0.0, np.random.default_rng(list(reduced.encode())).normal(0.05, 0.1))
        found[campaign.model, reduced] = guess
        if campaign.model == "mp20-plus" and set(campaign.counts) <= set(HOT_SYSTEM):
            hot[reduced] = min(campaign, hot.get(reduced, campaign), key=lambda item: item.energy)
    known = list(hot.values())
    energies = [campaign.energy for campaign in known]
    hull = hull_energies([c.counts for c in known], energies, dict.fromkeys(HOT_SYSTEM, 0.0))
    return found | {("mp20-plus", reduced): energy for reduced, energy in zip(hot, hull, strict=True)}


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    while block := "".join(line for line, _ in zip(lines, range(_ROWS_AT_ONCE), strict=False)):
        yield block


def draw_counts(rng: np.random.Generator, symbols: tuple[str, ...]) -> dict[str, int]:
    """Up to 20 atoms of these elements, at least one of each."""
    more = rng.multinomial(rng.integers(0, 21 - len(symbols)), np.full(len(symbols), 1 / len(symbols)))
    return {symbol: 1 + int(count) for symbol, count in zip(symbols, more, strict=True)}


def _choose(rng: np.random.Generator, weighted: Sequence[tuple[Choice, float]]) -> Choice:
    return weighted[rng.choice(len(weighted), p=[weight for _, weight in weighted])][0]


@cache
def _affinity(symbol: str) -> float:
    return float(np.random.default_rng(list(symbol.encode())).normal())


@cache
def _atoms_json(n_atoms: int) -> str:
    rng = np.random.default_rng(n_atoms)
    atoms = {"numbers": [3] * n_atoms, "positions": rng.random((n_atoms, 3)).tolist(), "cell": np.eye(3).tolist()}
    return json.dumps({**atoms, "periodic": [True] * 3})


def _job_id(number: int) -> str:
    return f"{number:026d}"
