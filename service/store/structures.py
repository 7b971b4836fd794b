"""Writing structures, and what the search for duplicates reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from service.domain import FailedSample, GeneratedRecord, GenerationClaim, JobStructure, MoleculeRecord
from service.domain.ids import structure_id_of
from service.store.engine import read_clock
from service.store.tables import failed_samples, matches, structure_atoms, structures


@dataclass(frozen=True)
class StructureRepository:
    """Structures within one transaction."""

    connection: Connection

    def add(self, claim: GenerationClaim, records: Sequence[GeneratedRecord], failures: Sequence[FailedSample]) -> None:
        """Store the results of a chunk, later than all that is stored of its job, which the transaction has locked."""
        now = self._next_time(claim.job_id)
        found = [
            {"structure_id": structure_id_of(claim.job_id, record.sample), "reference_id": m.reference_id, "rms": m.rms}
            for record in records
            for m in record.matches
        ]
        failed = [{"job_id": claim.job_id, "sample": f.sample, "reason": f.reason} for f in failures]
        atoms = [
            {"structure_id": structure_id_of(claim.job_id, record.sample), "atoms": dict(record.atoms)}
            for record in records
        ]
        for table, rows in (
            (structures, [_row(claim, record, now) for record in records]),
            (structure_atoms, atoms),
            (matches, found),
            (failed_samples, failed),
        ):
            if rows:
                self.connection.execute(table.insert(), rows)

    def _next_time(self, job_id: str) -> datetime:
        """The time, or just after the last structure where the clock was set back: readers follow this order."""
        now = read_clock(self.connection)
        last = self.connection.scalar(select(func.max(structures.c.created_at)).where(structures.c.job_id == job_id))
        return now if last is None else max(now, last + timedelta(microseconds=1))

    def of_job(self, job_id: str) -> list[JobStructure]:
        """All structures of a job, lowest pseudo energy per atom first."""
        columns = structures.c
        query = (
            select(*columns["id", "formula", "pseudo_energy_per_atom", "ranking_energy", "converged"])
            .add_columns(structure_atoms.c.atoms)
            .join(structure_atoms)
            .where(columns.job_id == job_id)
            .order_by(columns.pseudo_energy_per_atom, columns.id)
        )
        return [JobStructure(**row) for row in self.connection.execute(query).mappings()]

    def reason_for_none(self, job_id: str) -> str | None:
        """The commonest reason why samples failed, for a job without a single structure; None for any other."""
        if self.connection.scalar(select(structures.c.id).where(structures.c.job_id == job_id).limit(1)) is not None:
            return None
        reason = failed_samples.c.reason
        query = (
            select(reason)
            .where(failed_samples.c.job_id == job_id)
            .group_by(reason)
            .order_by(func.count().desc(), reason)
            .limit(1)
        )
        return self.connection.scalar(query)

    def set_representatives(self, duplicates: Mapping[str, str | None]) -> None:
        """Point each structure to the one it is a duplicate of; a unique one to itself."""
        rows = [{"key": key, "representative": other or key} for key, other in sorted(duplicates.items())]
        if rows:
            statement = update(structures).where(structures.c.id == bindparam("key"))
            representative: BindParameter[str] = bindparam("representative")
            self.connection.execute(
                statement.values(representative_id=representative, is_unique=structures.c.id == representative), rows
            )


def _row(claim: GenerationClaim, record: GeneratedRecord, now: datetime) -> dict[str, Any]:
    formula = claim.spec.formula_of(record.sample)
    return {
        "id": structure_id_of(claim.job_id, record.sample),
        "group_name": claim.group,
        "job_id": claim.job_id,
        "sample": record.sample,
        "model": claim.spec.model,
        "model_fingerprint": record.model_fingerprint,
        "start": record.start,
        "start_origin": record.start_origin,
        "formula": str(formula),
        "reduced_formula": formula.reduced,
        "chemsys": formula.chemsys,
        "n_atoms": formula.n_atoms,
        "is_crystal": claim.spec.is_crystal,
        "n_periodic": sum(record.atoms["periodic"]),
        "volume_per_atom": record.volume_per_atom,
        "pseudo_energy_per_atom": record.pseudo_energy_per_atom,
        "formation_energy_per_atom": record.formation_energy_per_atom,
        "band_gap": record.band_gap,
        "ranking_energy": record.ranking_energy,
        "converged": record.converged,
        "n_steps": record.n_steps,
        "space_group_number": record.space_group_number,
        "space_group_symbol": record.space_group_symbol,
        **_molecule_columns(record.molecule),
        "is_matched": bool(record.matches),
        "created_at": now,
    }


def _molecule_columns(molecule: MoleculeRecord | None) -> dict[str, Any]:
    """What filters ask for in columns of its own, the rest in one."""
    if molecule is None:
        return {"smiles": None, "passes_checks": None, "molecule": None}
    rest = asdict(molecule)
    return {"smiles": rest.pop("smiles"), "passes_checks": rest.pop("passes_checks"), "molecule": rest}
