"""What people call labels, sites, recordings and files, as it is written in keys."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from earshot.errors import BadKey, LabelMissing

if TYPE_CHECKING:
    from collections.abc import Collection

NAME_LENGTH = 64
# S3 takes keys of 1,024 bytes, and most file systems names of 255.
FILE_NAME_BYTES = 200
UNNAMED = "unnamed"

_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,9}\Z")


def plain_name(given: str, of: str) -> str:
    """A name of a label or a site, composed (NFC); raises BadKey, saying what it cannot be.

    Letters and digits of any script, with their marks, and few signs.
    """
    # macOS takes letters and their accents apart; a name is the same however it is written.
    name = unicodedata.normalize("NFC", given)
    if not 0 < len(name) <= NAME_LENGTH or not all(
        letter.isalnum() or letter == "_" or (place > 0 and (letter in " .'-" or _is_mark(letter)))
        for place, letter in enumerate(name)
    ):
        raise BadKey(
            f"{name[:100]!r} cannot be {of}: use up to 64 letters, digits, spaces, '_', '.', "
            "\"'\" or '-', the first one a letter, a digit or '_'."
        )
    return name


def group_name(given: str) -> str:
    """A folder, or several, named for the recording that clips were cut from; raises BadKey."""
    name = unicodedata.normalize("NFC", given)
    if (
        len(name.encode(errors="replace")) > FILE_NAME_BYTES
        or any(step in ("", ".", "..") for step in name.split("/"))
        # ``$`` as well: in a form S3 fills ``${filename}`` in.
        or any(letter in "\\$" or unicodedata.category(letter) in ("Cc", "Cs") for letter in name)
    ):
        raise BadKey(
            f"{name[:100]!r} cannot name a recording: use up to {FILE_NAME_BYTES} bytes without "
            "control characters, '\\' or '$', and without empty steps, '.' or '..'."
        )
    return name


def safe_name(given: str) -> str:
    """A client's file name as it is kept: the last step of its path, in harmless characters.

    Letters, digits and marks of any script and `` _.-'+,()`` stay, others become ``_``; it is
    composed (NFC), not hidden, and at most FILE_NAME_BYTES long in UTF-8, suffix and all.
    """
    plain = "".join(letter if _is_harmless(letter) else "_" for letter in _last_step(given))
    while plain and not (plain[0].isalnum() or plain[0] == "_"):
        plain = plain[1:]
    plain = plain.rstrip(" .")
    suffix = suffix_of(plain)
    stem = plain.removesuffix(suffix).encode()[: FILE_NAME_BYTES - len(suffix)]
    return stem.decode(errors="ignore") + suffix or UNNAMED


def suffix_of(name: str) -> str:
    """A file name's suffix with its dot, as it is written, or nothing."""
    found = _SUFFIX.search(name)
    return found[0] if found else ""


def label_in(name: str, labels: Collection[str]) -> str:
    """The longest label that a file's name begins with, before a sign or a digit.

    Raises LabelMissing.
    """
    last = _last_step(name)
    found = [label for label in labels if last.startswith(label) and _ends(label, last)]
    if not found:
        raise LabelMissing(
            f"{last[:100]!r} begins with no label. Send the field `label`, or name the file "
            f"<label>_….wav, with one of: {', '.join(labels) or 'none, so far'}."
        )
    return max(found, key=len)


def _last_step(path: str) -> str:
    """What follows the last slash or backslash, composed."""
    return re.split(r"[/\\]", unicodedata.normalize("NFC", path))[-1]


def _ends(label: str, name: str) -> bool:
    """Whether a label is not just the beginning of a longer word or number."""
    follows = name[len(label) : len(label) + 1]
    if follows.isdigit():
        return not label[-1].isdigit()
    return not follows or not (follows.isalnum() or _is_mark(follows))


def _is_harmless(letter: str) -> bool:
    return letter.isalnum() or letter in " _.-'+,()" or _is_mark(letter)


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")
