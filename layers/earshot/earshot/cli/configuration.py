"""Which API is meant, and with what token: flags, environment, configuration file, default."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from earshot.cli.output import warn
from earshot.errors import BadSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENDPOINT = "http://127.0.0.1:8000"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
OTHERS = 0o077


@dataclass(frozen=True)
class Given:
    """What flags or the environment say."""

    endpoint: str | None = None
    token: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class Configuration:
    """The API that is asked; ``sources`` says where endpoint and token come from."""

    endpoint: str
    token: str | None
    sources: Mapping[str, str]


def config_file() -> Path:
    """Where the configuration file is looked for; it need not exist."""
    return Path(typer.get_app_dir("earshot")) / "config.toml"


def read(given: Given) -> Configuration:
    """Put together what is given and what the file says; warns of a token that others may see.

    The file has ``endpoint`` and ``token``, or tables ``[profiles.NAME]`` of both. Its token goes
    only to the endpoint that stands with it, never to one that was given otherwise. Raises
    BadSettings for a file, a profile, an address or a token that makes no sense.
    """
    path = config_file()
    content = _read_file(path)
    place, section = str(path), content
    if given.profile:
        profiles = content.get("profiles", {})
        if not isinstance(profiles, dict) or given.profile not in profiles:
            raise BadSettings(f"{path} has no profile {given.profile!r}: no [profiles.NAME] of it.")
        place, section = f"{path}, profile {given.profile}", profiles[given.profile]
    kept = {name: _text(section, name, place) for name in ("endpoint", "token")}
    home = _address(kept["endpoint"] or DEFAULT_ENDPOINT)
    endpoint = _address(given.endpoint) if given.endpoint else home
    sources = {
        "endpoint": "given" if given.endpoint else (place if kept["endpoint"] else "default")
    }
    token = given.token or (kept["token"] if endpoint == home else None)
    if token:
        token = _checked(token)
        sources["token"] = "given" if given.token else place
        _warn_of_plain_http(endpoint)
    return Configuration(endpoint, token, sources)


def _read_file(path: Path) -> dict[str, Any]:
    """The file's content, nothing when there is none; raises BadSettings."""
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"{path} cannot be read: {error}") from error
    # Windows says other things by these bits.
    if "token" in text and os.name == "posix" and path.stat().st_mode & OTHERS:
        warn(f"others may read {path}, which holds a token. Say: chmod 600 '{path}'")
    return content


def _text(section: Any, name: str, place: str) -> str | None:
    value = section.get(name) if isinstance(section, dict) else section
    if value is not None and not isinstance(value, str):
        raise BadSettings(f"{name} is no text in {place}.")
    return value or None


def _address(endpoint: str) -> str:
    """The address without a slash at its end; raises BadSettings for what is none."""
    try:
        parts = urlsplit(endpoint)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise BadSettings(f"{endpoint!r} is no address of an API. Write {DEFAULT_ENDPOINT}, say.")
    return endpoint.rstrip("/")


def _checked(token: str) -> str:
    """The token without the line end that files and pipes leave; raises BadSettings."""
    token = token.strip()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise BadSettings("The token holds characters that no token has. Copy it again, whole.")
    return token


def _warn_of_plain_http(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        warn(f"the token travels to {parts.hostname} unencrypted. Use https://.")
