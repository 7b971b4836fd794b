"""What a worker's child may use of the machine."""

from __future__ import annotations

import os
import resource

from service.settings import Settings


def limit_process(settings: Settings) -> None:
    """Stand back for the API, and run out of memory by a MemoryError before the machine does by killing someone.

    The limit is of the data that the process may hold (RLIMIT_DATA), not of its address space, most of which libraries
    reserve without ever using it.
    """
    os.nice(settings.worker_nice)
    if settings.worker_memory_bytes is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = settings.worker_memory_bytes
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
