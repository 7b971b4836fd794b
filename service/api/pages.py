"""``/docs``: the documentation as a page, from files of the package ``swagger-ui-bundle`` and from nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import swagger_ui_bundle
from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

router = APIRouter(prefix="/docs", include_in_schema=False)

_FOLDER: Final = Path(swagger_ui_bundle.swagger_ui_path)
_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_A_DAY: Final = {"Cache-Control": "public, max-age=86400"}

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>rmatch</title>
  <link rel="stylesheet" href="docs/swagger-ui.css">
  <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
  <div id="page"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""

_START: Final = """
// The page reads OpenAPI 3.0 and refuses any later one by its number; of 3.1 we use what both have.
fetch("openapi.json").then((answer) => answer.json()).then((spec) => SwaggerUIBundle({
  spec: {...spec, openapi: "3.0.3"},
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  supportedSubmitMethods: ["get", "post", "delete"],
}));
"""


@router.get("")
def show_documentation() -> HTMLResponse:
    """The page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/start.js")
def get_start() -> Response:
    """The script that fills the page; no script stands in the page itself, so that none has to be allowed there."""
    return Response(_START, media_type="text/javascript", headers=_A_DAY)


@router.get("/{name}")
def get_file(name: str) -> FileResponse:
    """A file of the page."""
    if name not in _FILES:
        raise HTTPException(404, f"There is no file {name[:80]!r}.")
    return FileResponse(_FOLDER / name, media_type=_FILES[name], headers=_A_DAY)
