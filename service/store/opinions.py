"""What other potentials make of structures, and the jobs that ask them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, select

from service.domain import AskedStructure, AtomsJson, FailedSample, OpinionClaim, OpinionRecord, OpinionView
from service.store.engine import read_clock
from service.store.tables import failed_samples, opinion_requests, opinions, structure_atoms
from service.store.upsert import insert_or_replace

_VIEW: Final = [opinions.c[name] for name in OpinionView.__dataclass_fields__]


@dataclass(frozen=True)
class OpinionRepository:
    """Opinions within one transaction."""

    connection: Connection

    def add_request(self, job_id: str, structure_ids: Sequence[str]) -> None:
        """Store which structures a job asks about."""
        values = {"job_id": job_id, "structure_ids": list(structure_ids)}
        self.connection.execute(opinion_requests.insert().values(values))

    def asked(self, claim: OpinionClaim) -> list[AskedStructure]:
        """The structures of a chunk."""
        query = select(opinion_requests.c.structure_ids).where(opinion_requests.c.job_id == claim.job_id)
        ids = self.connection.execute(query).scalar_one()[claim.start : claim.stop]
        columns = structure_atoms.c
        rows = self.connection.execute(
            select(columns.structure_id, columns.atoms).where(columns.structure_id.in_(ids))
        ).all()
        atoms = {row.structure_id: row.atoms for row in rows}
        return [AskedStructure(id=key, atoms=atoms[key]) for key in ids]

    def record(self, claim: OpinionClaim, records: Sequence[OpinionRecord], failures: Sequence[FailedSample]) -> None:
        """Store what was found, in place of what was found of the same structures before."""
        now = read_clock(self.connection)
        rows = [{**asdict(record), "job_id": claim.job_id, "created_at": now} for record in records]
        for row in sorted(rows, key=lambda row: str(row["structure_id"])):  # in one order, or two would deadlock
            insert_or_replace(self.connection, opinions, row)
        if failures:
            failed = [{"job_id": claim.job_id, "sample": one.sample, "reason": one.reason} for one in failures]
            self.connection.execute(failed_samples.insert(), failed)

    def of_structures(self, structure_ids: Sequence[str]) -> dict[str, OpinionView]:
        """What is known of some structures, by their id."""
        query = select(opinions.c.structure_id, *_VIEW).where(opinions.c.structure_id.in_(structure_ids))
        rows = self.connection.execute(query).mappings() if structure_ids else ()
        return {row["structure_id"]: OpinionView(**{column.name: row[column] for column in _VIEW}) for row in rows}

    def energies_of(self, structure_ids: Sequence[str]) -> dict[str, float]:
        """The formation energies, eV/atom, of those of some structures that have one, by their id."""
        has_one = opinions.c.formation_energy_per_atom.is_not(None)
        query = select(opinions.c.structure_id, opinions.c.formation_energy_per_atom).where(has_one)
        if self.connection.scalar(query.limit(1)) is None:  # mostly nobody has asked
            return {}
        rows = self.connection.execute(query.where(opinions.c.structure_id.in_(structure_ids)))
        return {row.structure_id: row.formation_energy_per_atom for row in rows}

    def atoms_of(self, structure_id: str) -> AtomsJson | None:
        """The structure as the other potential has relaxed it; None where it was not asked."""
        atoms: AtomsJson | None = self.connection.scalar(
            select(opinions.c.atoms).where(opinions.c.structure_id == structure_id)
        )
        return atoms
