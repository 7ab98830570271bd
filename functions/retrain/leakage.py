"""Whether a version is asked about what it has learnt from."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from earshot.bundle import MANIFEST_FILE
from earshot.errors import BadBundle, BadDataset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from earshot.bundle import ModelCard

    from retrain.folder import Heard

# So many clips are named; there may be thousands.
NAMED = 10


@dataclass(frozen=True)
class Learnt:
    """What a version has learnt from: the recordings, and the SHA-256 of the sounds."""

    groups: frozenset[str]
    sha256s: frozenset[str]

    @classmethod
    def of_bundle(cls, folder: Path, card: ModelCard) -> Learnt:
        """Read a bundle's manifest; raises BadBundle when it is missing, or not the card's."""
        try:
            manifest = (folder / MANIFEST_FILE).read_bytes()
        except OSError as error:
            raise BadBundle(
                f"{folder} has no {MANIFEST_FILE}, so nobody can tell what it has learnt from."
            ) from error
        if hashlib.sha256(manifest).hexdigest() != card.data.get("manifest_sha256"):
            raise BadBundle(f"{MANIFEST_FILE} in {folder} is not the one that its card names.")
        rows = [
            row
            for row in csv.DictReader(io.StringIO(manifest.decode()))
            if row["part"] != "held_out"
        ]
        return cls(
            frozenset(row["group"] for row in rows), frozenset(row["sha256"] for row in rows)
        )

    def reason(self, heard: Heard[Any]) -> str | None:
        """Why a clip is no test of the version; None if it is one."""
        if heard.sha256 in self.sha256s:
            return "the same sound"
        if heard.group in self.groups:
            return f"the same recording, {heard.group}"
        return None


def refuse_learnt(learnt: Learnt, heard: Sequence[Heard[Any]], version: str) -> None:
    """Raise BadDataset, naming the clips, if a version has learnt from any of them."""
    reasons = {one.file.path: learnt.reason(one) for one in heard}
    leaks = [f"{path} ({reason})" for path, reason in reasons.items() if reason]
    if leaks:
        more = f", and {len(leaks) - NAMED} more" if len(leaks) > NAMED else ""
        raise BadDataset(
            f"{version} has learnt from {len(leaks)} of these {len(heard)} clips, on which it "
            f"looks better than it is: {', '.join(leaks[:NAMED])}{more}. Evaluate it on others, "
            "or leave these out by --held-out."
        )
