"""Where a check of the fuzzer is wrong for this service, rather than the service for the check; with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure

BEYOND_JSON_SCHEMA: Final = {
    "empty_formula", "formula_too_long", "unparsable_formula", "unknown_element", "too_many_elements", "too_many_atoms",
    "element_not_in_model", "model_of_molecules", "unknown_model", "out_of_range", "impossible_volume",
    "impossible_cell", "impossible_separation", "cell_required", "conflicting_fields", "idempotency_key_reused",
    "invalid_cursor", "unreadable_structure_file", "structure_file_too_large", "no_structures", "no_cell",
    "no_molecule", "not_acceptable", "invalid_filter", "unknown_property", "not_implemented", "unknown_space_group",
    "too_much_work", "invalid_name", "mixed_structures", "unsuitable_base", "unreadable_model",
    "too_many_formulas", "unknown_structure", "no_such_estimate", "no_opinion",
}  # fmt: skip
"""Codes of requests whose fields are each as the schema has them, and which still mean nothing."""


def _is_beyond_json_schema(_failure: Failure, case: Case, response: Response) -> bool:
    """A grammar, an element, or how two fields go together is not said by a schema, but by the code of the refusal.

    OPTIMADE refuses filters, orders and lists of properties, each a small language of its own, with 400.
    """
    if case.path.startswith("/optimade/"):
        return response.status_code == 400
    return response.json().get("code") in BEYOND_JSON_SCHEMA


def _is_another_header(failure: Failure, _case: Case, _response: Response) -> bool:
    """Whoever asks may send any header."""
    return failure.message.endswith("in header - object with unexpected properties")


def _is_cancelled(_failure: Failure, case: Case, _response: Response) -> bool:
    """``DELETE`` cancels a job, and keeps it with what it has found so far."""
    return case.path.startswith("/jobs/{job_id}")


def _is_meant(_failure: Failure, case: Case, response: Response) -> bool:
    """503 is what a probe is for: asked strictly, a service without workers is not ready. OPTIMADE has 501 for what is
    optional in its filters.
    """
    return (case.path, response.status_code) in {("/readyz", 503), ("/optimade/v1/structures", 501)}


_ACCEPTED: Final[dict[str, Callable[[Failure, Case, Response], bool]]] = {
    "RejectedPositiveData": _is_beyond_json_schema,
    "AcceptedNegativeData": _is_another_header,
    "UseAfterFree": _is_cancelled,
    "ServerError": _is_meant,
}

accepted: Final[Counter[str]] = Counter()
"""How often each was let pass, with the operation."""


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Keep a failure, unless it says nothing against the service."""
    kind = type(failure).__name__
    if kind in _ACCEPTED and _ACCEPTED[kind](failure, case, response):
        accepted[f"{kind}: {case.method} {case.path}"] += 1
        return False
    return True
