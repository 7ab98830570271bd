"""The dashboard and the manual: their pages, and the files that these are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, Path, Response
from starlette.exceptions import HTTPException

from predict import assets
from predict.requests import UseCases

if TYPE_CHECKING:
    from earshot.store import Store

router = APIRouter(include_in_schema=False)

# A name by content never means anything else.
FOREVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"
# What is too small to gain by it is sent as it is.
MIN_COMPRESSED_BYTES = 1_000
# Swagger UI sets styles on its elements.
MANUAL_STYLES = "'self' 'unsafe-inline'"
HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}

Encodings = Annotated[str, Header(alias="accept-encoding")]
Known = Annotated[str, Header(alias="if-none-match")]


@router.get("/")
def dashboard(services: UseCases, encodings: Encodings = "", known: Known = "") -> Response:
    """The dashboard."""
    policy = assets.policy(connect=("'self'", *_buckets(services.store)))
    return _send(assets.page("index.html"), encodings, known, ASK_FIRST, policy)


@router.get("/docs")
def manual(encodings: Encodings = "", known: Known = "") -> Response:
    """The manual, to try things out in."""
    policy = assets.policy(styles=MANUAL_STYLES)
    return _send(assets.page("docs.html"), encodings, known, ASK_FIRST, policy)


@router.get("/web/{version}/{path:path}")
def file(
    version: str,
    path: Annotated[str, Path(max_length=200)],
    encodings: Encodings = "",
    known: Known = "",
) -> Response:
    """A file of the dashboard.

    By another version's name it is sent too, since instances of two versions answer side by side
    while a new one is rolled out, but is not kept.
    """
    found = assets.assets().get(path)
    if found is None:
        raise HTTPException(404)
    kept = FOREVER if version == assets.version() else ASK_FIRST
    return _send(found, encodings, known, kept, assets.policy())


def _send(asset: assets.Asset, encodings: str, known: str, kept: str, policy: str) -> Response:
    """Answer with a file, compressed for those who take it; 304 to those who have it."""
    # Not by Starlette's StaticFiles: it takes Range, and refuses a bad one without a problem.
    headers = {
        **HEADERS,
        "cache-control": kept,
        "content-security-policy": policy,
        "etag": asset.etag,
    }
    if asset.etag in known:
        return Response(status_code=304, headers=headers)
    headers["content-type"] = asset.media_type
    if "gzip" in encodings and len(asset.content) >= MIN_COMPRESSED_BYTES:
        return Response(asset.compressed, headers={**headers, "content-encoding": "gzip"})
    return Response(asset.content, headers=headers)


def _buckets(store: Store) -> list[str]:
    """The origins that uploads are sent to, by form and in parts; signed without asking AWS."""
    addresses = (
        store.form("recordings/", 1, "audio/wav", None, 1).url,
        store.part_url("recordings/", "-", 1, 1, 1),
    )
    return sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses)})
