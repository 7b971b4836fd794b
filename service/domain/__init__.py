"""What jobs, chunks, structures and references are. Pure: no SQL, no HTTP, no queue."""

from service.domain.access import ANONYMOUS, PUBLIC_GROUP, Principal, Scope
from service.domain.chunks import (
    HULL_RESOLUTION,
    AtomsJson,
    Claim,
    FailedSample,
    GeneratedRecord,
    HullEntry,
    HullSystem,
    JobStructure,
    Match,
    Progress,
)
from service.domain.errors import (
    BusyError,
    JobFinishedError,
    KeyReusedError,
    NotFoundError,
    SchemaError,
    ServiceError,
    StoreUnavailableError,
)
from service.domain.idempotency import RepeatableRequest
from service.domain.molecules import MoleculeRecord
from service.domain.references import Reference
from service.domain.states import ChunkKind, ChunkState, JobState, LeaseStatus

__all__ = [
    "ANONYMOUS",
    "HULL_RESOLUTION",
    "PUBLIC_GROUP",
    "AtomsJson",
    "BusyError",
    "ChunkKind",
    "ChunkState",
    "Claim",
    "FailedSample",
    "GeneratedRecord",
    "HullEntry",
    "HullSystem",
    "JobFinishedError",
    "JobState",
    "JobStructure",
    "KeyReusedError",
    "LeaseStatus",
    "Match",
    "MoleculeRecord",
    "NotFoundError",
    "Principal",
    "Progress",
    "Reference",
    "RepeatableRequest",
    "SchemaError",
    "Scope",
    "ServiceError",
    "StoreUnavailableError",
]
