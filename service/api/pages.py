"""``/docs``: the documentation as a page, from files of the package ``swagger-ui-bundle`` and from nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import swagger_ui_bundle
from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

router = APIRouter(prefix="/docs", include_in_schema=False)

_FILES: Final = Path(swagger_ui_bundle.swagger_ui_path)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
def get_file(name: Literal["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"]) -> FileResponse:
    """A file of the page."""
    return FileResponse(_FILES / name, headers=_A_DAY)
