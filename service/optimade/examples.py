"""Examples of answers under ``/optimade``, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

_META: Final[dict[str, Any]] = {
    "query": {"representation": '/structures?filter=elements HAS "Li"'},
    "api_version": "1.2.0",
    "time_stamp": "2026-11-23T08:00:00Z",
    "more_data_available": False,
    "data_returned": 1,
    "provider": {"name": "rmatch", "description": "Structures proposed by Response Matching", "prefix": "rmatch"},
    "implementation": {"name": "rmatch", "version": "0.2.0"},
}

_ENTRY: Final[dict[str, Any]] = {
    "id": "01m82bdrpfe9r60xv08f1264tt-00003",
    "type": "structures",
    "attributes": {"chemical_formula_reduced": "Li2S", "nelements": 2, "_rmatch_energy_above_hull": 0.0},
}

_ERROR: Final[dict[str, Any]] = {
    "status": "400",
    "code": "unknown_property",
    "title": "Bad Request",
    "detail": "There is no property 'nelement'. Write nelements.",
    "source": {"parameter": "filter"},
}

EXAMPLES: Final[dict[str, Any]] = {
    "OptimadeList": {"data": [_ENTRY], "links": {"next": None}, "meta": _META},
    "OptimadeOne": {"data": _ENTRY, "meta": _META},
    "OptimadeErrors": {"errors": [_ERROR], "meta": _META},
}
"""By the name of the schema."""
