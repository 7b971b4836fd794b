"""The known structures that a worker compares with, prepared once for all chunks of the same formulas."""

from __future__ import annotations

from collections.abc import Collection

from rm_engine.analysis import Matcher
from rm_engine.files import from_json
from service.jobs import count_references, load_references
from service.store import Store


class KnownStructures:
    """Keeps the matcher of the formulas that were asked for last: the chunks of a job come one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prepared: tuple[frozenset[str], str, int] = (frozenset(), "", 0)
        self._matcher: Matcher[str] = Matcher([])

    def find_matcher(self, reduced_formulas: Collection[str], group: str) -> Matcher[str]:
        """A matcher of all references of these reduced formulas that a group sees; read again where some were added.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        formulas = frozenset(reduced_formulas)
        if self._prepared != (formulas, group, count_references(self._store, formulas, group)):
            references = load_references(self._store, formulas, group)
            self._matcher = Matcher((reference.id, from_json(reference.atoms)) for reference in references)
            self._prepared = (formulas, group, len(references))
        return self._matcher
