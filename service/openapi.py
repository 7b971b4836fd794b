"""``python -m service.openapi`` prints the OpenAPI document of the service."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from service.main import create_app
from service.settings import Settings


def write_document() -> str:
    """The OpenAPI document as text, the same wherever and however the service runs."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder), keys="off"))
        return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(write_document(), end="")
