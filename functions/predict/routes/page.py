"""The page that people meet first."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

router = APIRouter(include_in_schema=False)

PAGE = Path(__file__).parents[1] / "web" / "index.html"


@router.get("/")
def page() -> FileResponse:
    """The dashboard."""
    return FileResponse(PAGE, media_type="text/html")
