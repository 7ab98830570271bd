"""The secrets of whoever started the local stack, kept beside its data."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from earshot.errors import AccessDenied

if TYPE_CHECKING:
    from pathlib import Path

    from earshot.tokens import Tokens


def administrator(path: Path, tokens: Tokens) -> str:
    """The administrator's token that a file holds, or a new one when that is good no more.

    Nobody but the file's owner can read it.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        tokens.check(text, "admin")
    except (FileNotFoundError, AccessDenied):
        _, text = tokens.create("local", "admin")
        _keep(path, text)
    return text


def webhook_secret(path: Path) -> str:
    """What alerts are signed with, which a file holds, or a new one."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        _keep(path, text)
        return text


def _keep(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
