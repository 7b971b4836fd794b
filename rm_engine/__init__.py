"""Response Matching: propose crystals and molecules by random structure search on a learned pseudo energy surface.

The public face (``load_model``, ``generate``, ``GenerationSpec``) is found here, imported on first use, so that the
torch-free parts can be used without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rm_engine.lazy import find_on_first_use

if TYPE_CHECKING:
    from rm_engine.checkpoint import Model, load_model
    from rm_engine.search import GeneratedStructure, generate, generate_samples
    from rm_engine.spec import GenerationSpec

__all__ = ["GeneratedStructure", "GenerationSpec", "Model", "generate", "generate_samples", "load_model"]

__getattr__ = find_on_first_use(
    __name__,
    {
        "checkpoint": ("Model", "load_model"),
        "search": ("GeneratedStructure", "generate", "generate_samples"),
        "spec": ("GenerationSpec",),
    },
)
