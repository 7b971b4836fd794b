"""What jobs, chunks, structures and references are. Pure: no SQL, no HTTP, no queue."""

from service.domain.access import ANONYMOUS, PUBLIC_GROUP, Principal, Scope
from service.domain.chunks import (
    HULL_RESOLUTION,
    AtomsJson,
    Claim,
    FailedSample,
    GeneratedRecord,
    GenerationClaim,
    HullEntry,
    HullSystem,
    JobClaim,
    JobStructure,
    Match,
    OpinionClaim,
    Progress,
    TrainingClaim,
)
from service.domain.errors import (
    BusyError,
    JobFinishedError,
    KeyReusedError,
    ModelInUseError,
    NameTakenError,
    NotFoundError,
    SchemaError,
    ServiceError,
    StoreUnavailableError,
)
from service.domain.idempotency import RepeatableRequest
from service.domain.models import JobSpec, StoredModel, read_job_spec
from service.domain.molecules import MoleculeRecord
from service.domain.opinions import AskedStructure, OpinionRecord, OpinionView
from service.domain.references import Reference
from service.domain.states import ChunkKind, ChunkState, JobState, LeaseStatus

__all__ = [
    "ANONYMOUS",
    "HULL_RESOLUTION",
    "PUBLIC_GROUP",
    "AskedStructure",
    "AtomsJson",
    "BusyError",
    "ChunkKind",
    "ChunkState",
    "Claim",
    "FailedSample",
    "GeneratedRecord",
    "GenerationClaim",
    "HullEntry",
    "HullSystem",
    "JobClaim",
    "JobFinishedError",
    "JobSpec",
    "JobState",
    "JobStructure",
    "KeyReusedError",
    "LeaseStatus",
    "Match",
    "ModelInUseError",
    "MoleculeRecord",
    "NameTakenError",
    "NotFoundError",
    "OpinionClaim",
    "OpinionRecord",
    "OpinionView",
    "Principal",
    "Progress",
    "Reference",
    "RepeatableRequest",
    "SchemaError",
    "Scope",
    "ServiceError",
    "StoreUnavailableError",
    "StoredModel",
    "TrainingClaim",
    "read_job_spec",
]
