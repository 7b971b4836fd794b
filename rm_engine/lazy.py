"""Names that a package finds on first use, so that what nobody asks for is never imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def find_on_first_use(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` (PEP 562) of a package.

    Args:
        package: its ``__name__``.
        names: the public names, by the submodule that defines them.
    """
    homes = {name: f"{package}.{module}" for module, defined in names.items() for name in defined}

    def find(name: str) -> Any:  # noqa: ANN401  # whatever is asked for
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)  # so that it is looked for once
        return found

    return find
