"""Known structures from files, OPTIMADE providers and the Materials Project, in batches that can be gone on with."""

from rmatch.importing.run import run_import
from rmatch.importing.sources import SourceOptions, open_source

__all__ = ["SourceOptions", "open_source", "run_import"]
