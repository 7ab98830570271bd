"""The dashboard's files, as they are sent: read once, named by their content, compressed."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WEB = Path(__file__).parent / "web"
SWAGGER_UI = ("swagger-ui-bundle.js", "swagger-ui.css")
# What is not here is not served.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class Asset:
    """A file of the dashboard."""

    content: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        """RFC 9110's validator. Weak, since it stands for the compressed form as well."""
        return f'W/"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The content as gzip has it."""
        return gzip.compress(self.content, mtime=0)


@cache
def assets() -> Mapping[str, Asset]:
    """Every file by its path below ``web/``. No other path is looked for: none can lead out."""
    ours = {file.relative_to(WEB).as_posix(): file for file in sorted(WEB.rglob("*"))}
    manual = _swagger_ui()
    theirs = {f"swagger-ui/{name}": manual / name for name in SWAGGER_UI}
    return MappingProxyType(
        {
            path: Asset(file.read_bytes(), MEDIA_TYPES[file.suffix])
            for path, file in (ours | theirs).items()
            if file.suffix in MEDIA_TYPES
        }
    )


def _swagger_ui() -> Path:
    """Where its package has the manual's script and style; found without importing it."""
    spec = find_spec("fastapi_swagger")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "resources"


@cache
def version() -> str:
    """The name of all files together: it changes with any of them."""
    digest = hashlib.sha256()
    for path, asset in assets().items():
        digest.update(f"{path}\0{asset.etag}\0".encode())
    return digest.hexdigest()[:12]


@cache
def page(name: str) -> Asset:
    """An HTML page that asks for this version of the files, wherever it says ``"web/``."""
    found = assets()[name]
    return Asset(found.content.replace(b'"web/', f'"web/{version()}/'.encode()), found.media_type)


def policy(styles: str = "'self'", connect: tuple[str, ...] = ("'self'",)) -> str:
    """The content security policy: our own files, sounds and pictures made in the page, no more."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            f"style-src {styles}",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "font-src 'self'",
            f"connect-src {' '.join(connect)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
