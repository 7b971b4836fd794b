"""``/``: the page, from files of the package ``service.web`` and from nowhere else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parents[1] / "web"
_MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}
_FILES: Final = {path.name: path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_AGAIN: Final = {"Cache-Control": "no-cache"}


def _hash_files() -> str:
    """A name for all files as they are, so that none is ever taken from a cache beside another version's."""
    digest = hashlib.sha256((_FOLDER / "index.html").read_bytes())
    for name, path in _FILES.items():
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


VERSION: Final = _hash_files()
_PAGE: Final = (_FOLDER / "index.html").read_text(encoding="utf-8").replace("{version}", VERSION)
_TAG: Final = f'"{VERSION}"'


@router.get("/")
def show_page(request: Request) -> Response:
    """The page."""
    headers = {**_ASK_AGAIN, "ETag": _TAG, "Content-Security-Policy": _POLICY}
    if request.headers.get("if-none-match") == _TAG:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(_PAGE, headers=headers)


@router.get("/web/{version}/{name}")
def get_web_file(version: str, name: str) -> FileResponse:
    """A file of the page. A page of another version, as there are during an update, gets it but may not keep it."""
    if name not in _FILES:
        raise HTTPException(404, f"There is no file {name[:80]!r}.")
    path = _FILES[name]
    headers = _FOREVER if version == VERSION else _ASK_AGAIN
    return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix], headers=headers)
