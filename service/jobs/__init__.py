"""The use cases: each function is one transaction on a :class:`service.store.Store`."""

from service.jobs.announcement import (
    announce_due_chunks,
    forget_announcements,
    list_due_chunks,
    mark_announced,
    seconds_until_due,
)
from service.jobs.imports import advance_import, begin_import, finish_import, list_imports
from service.jobs.keys import authenticate, create_key, list_keys, revoke_key, rotate_key
from service.jobs.lease import claim_chunk, fail_chunk, find_claim, lose_chunk, release_chunk, renew_lease
from service.jobs.models import (
    add_model,
    delete_model,
    find_own_model,
    load_own_model,
    load_training,
    record_model,
    save_training,
    submit_training,
)
from service.jobs.opinions import load_asked, record_opinions, submit_opinions
from service.jobs.references import (
    add_references,
    count_references,
    load_prototypes,
    load_references,
    seed_known_crystals,
)
from service.jobs.results import load_hull_systems, load_job_structures, record_analysis, record_generated
from service.jobs.submission import ChunkLimits, cancel_job, forget_old_keys, submit_job
from service.jobs.workers import forget_old_workers, list_workers, record_worker

__all__ = [
    "ChunkLimits",
    "add_model",
    "add_references",
    "advance_import",
    "announce_due_chunks",
    "authenticate",
    "begin_import",
    "cancel_job",
    "claim_chunk",
    "count_references",
    "create_key",
    "delete_model",
    "fail_chunk",
    "find_claim",
    "find_own_model",
    "finish_import",
    "forget_announcements",
    "forget_old_keys",
    "forget_old_workers",
    "list_due_chunks",
    "list_imports",
    "list_keys",
    "list_workers",
    "load_asked",
    "load_hull_systems",
    "load_job_structures",
    "load_own_model",
    "load_prototypes",
    "load_references",
    "load_training",
    "lose_chunk",
    "mark_announced",
    "record_analysis",
    "record_generated",
    "record_model",
    "record_opinions",
    "record_worker",
    "release_chunk",
    "renew_lease",
    "revoke_key",
    "rotate_key",
    "save_training",
    "seconds_until_due",
    "seed_known_crystals",
    "submit_job",
    "submit_opinions",
    "submit_training",
]
