"""Every problem that the service answers with: its stable code under its status, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROBLEMS: Final[Mapping[int, Mapping[str, str]]] = {
    400: {"malformed_json": "The body is no JSON."},
    401: {
        "key_required": "There is no key in the request.",
        "invalid_key": "The key is malformed, unknown, expired or revoked.",
    },
    403: {
        "scope_missing": "The key does not allow this.",
        "not_this_machine": "Without keys only this machine is answered.",
    },
    404: {
        "unknown_training": "There is no such training, or it is another group's.",
        "unknown_job": "There is no such job, or it is another group's.",
        "unknown_structure": "There is no such structure, or it is another group's.",
        "unknown_model": "There is no such model.",
        "not_found": "There is nothing at this path.",
    },
    405: {"method_not_allowed": "This path has other methods, see `Allow`."},
    406: {"not_acceptable": "The structure has no form that `Accept` allows."},
    408: {"body_too_slow": "The body did not arrive in time."},
    409: {
        "job_finished": "The job is over, and cannot be cancelled any more.",
        "name_taken": "There is a model of this name, or one is being trained.",
        "model_in_use": "Jobs that have not ended want the model.",
    },
    413: {"body_too_large": "The body is longer than the operator allows."},
    422: {
        "missing_field": "A required field is missing.",
        "unknown_field": "There is no field of this name.",
        "invalid_value": "A value is not of the type or form that the field has.",
        "out_of_range": "A number is beyond its bounds.",
        "empty_formula": "The formula is empty.",
        "formula_too_long": "The formula is longer than 200 characters.",
        "unparsable_formula": "The formula is not made of element symbols, whole numbers and parentheses.",
        "unparsable_system": "The chemical system is not made of two to four different element symbols with hyphens.",
        "too_many_formulas": "The ranges of counts hold no formula of at most 20 atoms, or more than 60.",
        "unknown_element": "A symbol is not that of an element.",
        "too_many_elements": "There are more than 8 elements, or more than 4 in a chemical system.",
        "too_many_atoms": "A cell would hold more than 200 atoms, or an SDF file more than 999.",
        "element_not_in_model": "The model has not learned an element of the composition.",
        "model_of_molecules": "The model has learned molecules only, and a crystal was asked of it.",
        "unknown_model": "There is no model of this name.",
        "unknown_structure": "There is no structure of this id to learn from, or it is another group's.",
        "invalid_name": "A model cannot be called so.",
        "mixed_structures": "A training is given crystals and molecules together, or partly periodic structures.",
        "unsuitable_base": "The model to begin with has not learned such structures.",
        "unreadable_model": "The file is no model, or one that is too large.",
        "impossible_volume": "The range of volumes is empty.",
        "unknown_space_group": "There is no such space group.",
        "impossible_cell": "The cell vectors are too short, too long, almost in one plane or left-handed.",
        "impossible_separation": "Atoms cannot be so far apart in so small a volume.",
        "too_much_work": "The job would be larger than the operator, or the quota of the key, allows.",
        "cell_required": "What was asked for needs a cell.",
        "conflicting_fields": "Two fields say different things.",
        "idempotency_key_reused": "The `Idempotency-Key` came with another request before.",
        "invalid_cursor": "The cursor is not one of this list and order.",
        "unreadable_structure_file": "The file does not parse, or is over a limit; with the line where it is known.",
        "structure_file_too_large": "Reading the file took too much time or memory.",
        "no_structures": "There is no structure in the file.",
        "too_many_structures": "More structures pass the filters than go into one export.",
        "no_cell": "A structure without a cell cannot be written in this format.",
        "no_molecule": "A crystal cannot be written in this format.",
        "invalid_filter": "A filter is not one of OPTIMADE, or too long or too deep.",
        "unknown_property": "There is no property of this name.",
    },
    429: {"quota_exceeded": "More work is queued under this key than it may have."},
    501: {"not_implemented": "An optional part of OPTIMADE was asked for, or values of two types are compared."},
    503: {
        "database_unavailable": "The database does not answer.",
        "queue_full": "More work is queued than the service takes.",
        "busy": "Too much of this is going on.",
        "unusable_model": "The model's files cannot be used.",
    },
}
"""All but 500, ``internal_error``, which is a fault of the service."""
