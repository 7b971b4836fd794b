"""Response Matching: propose crystals and molecules by random structure search on a learned pseudo energy surface.

The public face (``load_model``, ``generate``, ``GenerationSpec``) is found here, imported on first use, so that the
torch-free parts can be used without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rm_engine.checkpoint import Model, load_model
    from rm_engine.search import GeneratedStructure, generate, generate_samples
    from rm_engine.spec import GenerationSpec

_HOME = {
    "GeneratedStructure": "rm_engine.search",
    "GenerationSpec": "rm_engine.spec",
    "Model": "rm_engine.checkpoint",
    "generate": "rm_engine.search",
    "generate_samples": "rm_engine.search",
    "load_model": "rm_engine.checkpoint",
}

__all__ = ["GeneratedStructure", "GenerationSpec", "Model", "generate", "generate_samples", "load_model"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever is asked for
    if name not in _HOME:
        raise AttributeError(f"module 'rm_engine' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
