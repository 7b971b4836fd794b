"""Requests made from the OpenAPI document, and whether the service keeps to it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from fuzz.accepted import accepted
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, FuzzScenarioFinished, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema

FORMULAS: Final = st.lists(
    st.tuples(st.sampled_from(("Li", "S", "C", "H", "O", "P")), st.integers(1, 4)), min_size=1, max_size=3
).map(lambda counts: "".join(f"{symbol}{count}" for symbol, count in counts))
"""Among all texts, formulas are rare."""

_EXAMPLES: Final = 160
"""For each operation in a round: of some there are not many more that differ, and looking for them takes long."""


_INNER: Final = re.compile(
    r'Traceback|File "|\w\.py\b|\bSELECT |\bINSERT |sqlalchemy|psycopg|sqlite|site-packages|/home/|/root/|/tmp/|/shm/'
)


def find_leak(text: str) -> str:
    """What an error tells of the service's inside, or repeats of the request at length; empty where it does not."""
    if found := _INNER.search(text):
        return found[0]
    errors = json.loads(text).get("errors", ()) if text.startswith("{") else ()
    return next((value for error in errors if len(value := error.get("value", "")) > 80), "")


@dataclass
class Campaign:
    """What became of many requests.

    Attributes:
        statuses: how often each operation gave each status, e.g. ``GET /jobs 200``.
        failures: what was not as documented, by check, operation and message.
        checks: how often each check was made.
        errors: what kept the fuzzer from going on.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def n_requests(self) -> int:
        """Number of requests answered."""
        return self.statuses.total()

    @property
    def operations(self) -> set[str]:
        """The operations that were asked for."""
        return {label.rpartition(" ")[0] for label in self.statuses}

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "requests": self.n_requests,
            "operations": len(self.operations),
            "checks": dict(self.checks.most_common()),
            "statuses": dict(sorted(self.statuses.items())),
            "accepted": dict(accepted.most_common()),
            "failures": dict(self.failures.most_common()),
            "errors": self.errors,
        }

    def add(self, other: Campaign) -> None:
        """Take in the figures of another campaign."""
        for mine, others in (
            (self.statuses, other.statuses),
            (self.failures, other.failures),
            (self.checks, other.checks),
        ):
            mine.update(others)
        self.errors.extend(other.errors)

    def note(self, recorder: Any) -> None:
        """Take in a scenario: a request, or several that follow on one another."""
        for case_id, interaction in recorder.interactions.items():
            case = recorder.cases[case_id].value
            status = interaction.response.status_code if interaction.response else "none"
            self.statuses[f"{case.method} {case.path} {status}"] += 1
            if interaction.response and status >= 400 and (leak := find_leak(interaction.response.text)):
                self.failures[f"leak: {case.method} {case.path} {status}: {leak}"] += 1
        for case_id, nodes in recorder.checks.items():
            case = recorder.cases[case_id].value
            for node in nodes:
                self.checks[node.name] += 1
                if node.failure_info is not None:
                    failure = node.failure_info.failure
                    response_text = recorder.interactions[case_id].response.text[:300]
                    message = (
                        f"{node.name}: {case.method} {case.path}: {failure.title}: {failure.message} {response_text}"
                    )
                    self.failures[message[:1000]] += 1


def make_config(seed: int, max_examples: int, key: str, *, is_systematic: bool = True) -> SchemathesisConfig:
    """All checks on, this many examples for each operation, under an API key.

    What the fuzzer goes through systematically comes beside the examples, and is the same for every seed.
    """
    load_all_checks()
    schemathesis.openapi.format("formula", FORMULAS)
    return SchemathesisConfig.from_dict({
        "seed": seed,
        "headers": {"Authorization": f"Bearer {key}"},
        "generation": {"max-examples": max_examples, "database": "none"},
        "phases": {
            "examples": {"enabled": is_systematic},
            "coverage": {"enabled": is_systematic},
            "stateful": {"generation": {"max-examples": max_examples}},
        },
        "request-timeout": 30,
        # each upload starts a process; files have a fuzzer of their own
        "operations": [
            {"include-operation-id": operation, "generation": {"max-examples": max_examples // 8}}
            for operation in ("post_references", "train", "upload_model")
        ],
    })  # fmt: skip


def run_campaign(load: Callable[[SchemathesisConfig], BaseSchema], n_requests: int, seed: int, key: str) -> Campaign:
    """Make this many requests or somewhat more, in rounds, each of a seed of its own.

    Args:
        load: gives the document of the service that is asked.
        n_requests: how many.
        seed: of the first round.
        key: API key.
    """
    total = Campaign()
    while total.n_requests < n_requests and not total.errors:
        examples = min(_EXAMPLES, 1 + (n_requests - total.n_requests) // 12)
        config = make_config(seed, examples, key, is_systematic=total.n_requests == 0)
        total.add(_run_round(load(config)))
        seed += 1
    return total


def _run_round(schema: BaseSchema) -> Campaign:
    campaign = Campaign()
    for event in from_schema(schema).execute():
        if isinstance(event, ScenarioFinished | FuzzScenarioFinished):
            campaign.note(event.recorder)
        elif isinstance(event, NonFatalError):
            campaign.errors.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, FatalError):
            campaign.errors.append(repr(event.exception))
    return campaign
