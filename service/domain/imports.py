"""Imports of known structures: from where, and how far they have come."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from service.domain.access import PUBLIC_GROUP
from service.domain.keys import check_group


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is to be imported.

    Attributes:
        source: where from: a path, a URL.
        selection: what of it; empty for all.
        version: of the source, where it has one: in another, places are not where they were.
        group: who is to see the structures.

    Raises:
        ServiceError: the group is none.
    """

    source: str
    selection: str = ""
    version: str = ""
    group: str = PUBLIC_GROUP

    def __post_init__(self) -> None:
        """Check the group."""
        check_group(self.group)

    @cached_property
    def id(self) -> str:
        """Hash of source, selection and group: the same import has one record, however often it is run."""
        content = json.dumps([self.source, self.selection, self.group])
        return hashlib.sha256(content.encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True)
class ImportRecord:
    """How far an import has come. See :class:`ImportRequest` for the other fields.

    Attributes:
        cursor: where to go on; empty at the beginning.
        n_new: structures that were added.
        n_known: structures that were there already, or came twice.
        n_skipped: structures that were left out, as they cannot be compared with.
        n_broken: structures that could not be read.
        is_finished: whether all of the source was read.
    """

    id: str
    group: str
    source: str
    selection: str
    version: str
    cursor: str = ""
    n_new: int = 0
    n_known: int = 0
    n_skipped: int = 0
    n_broken: int = 0
    is_finished: bool = False
    started_at: datetime
    updated_at: datetime

    @property
    def n_read(self) -> int:
        """Structures that were read, in whichever state they were."""
        return self.n_new + self.n_known + self.n_skipped + self.n_broken
