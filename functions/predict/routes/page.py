"""The page that people meet first."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

PAGE = Path(__file__).parents[1] / "web" / "index.html"


@router.get("/")
def page() -> HTMLResponse:
    """The dashboard."""
    # A FileResponse would take Range, and refuse a bad one without a problem.
    return HTMLResponse(PAGE.read_bytes())
