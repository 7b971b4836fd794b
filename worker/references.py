"""The known structures that a worker compares with, prepared once for all chunks of a composition."""

from __future__ import annotations

from rm_engine.analysis import Matcher
from rm_engine.files import from_json
from service.jobs import count_references, load_references
from service.store import Store


class KnownStructures:
    """Keeps the matcher of the composition that was asked for last: the chunks of a job come one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prepared: tuple[str, str, int] = ("", "", 0)
        self._matcher: Matcher[str] = Matcher([])

    def find_matcher(self, reduced_formula: str, group: str) -> Matcher[str]:
        """A matcher of all references of a reduced formula that a group sees; read again where some were added.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        if self._prepared != (reduced_formula, group, count_references(self._store, reduced_formula, group)):
            references = load_references(self._store, {reduced_formula}, group)
            self._matcher = Matcher((reference.id, from_json(reference.atoms)) for reference in references)
            self._prepared = (reduced_formula, group, len(references))
        return self._matcher
