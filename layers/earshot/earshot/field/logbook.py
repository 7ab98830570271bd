"""Field recordings in the DynamoDB table; what a person is asked about them is in the docket.

=============================  ===================  ============================================
``pk``                         ``sk``               item
=============================  ===================  ============================================
``RECORDING#<recording>``      ``RECORDING``        a recording: its state, what was detected
``LATEST#RECORDINGS``          time, ``_``, id      an entry by which the latest are found
``LATEST#RECORDINGS#<site>``   time, ``_``, id      the same for those of a site
``RECORDINGS``                 ``TOTAL``            ``total``, how many there are
``SHADOWS``                    shadow               how a challenger compared in recordings
=============================  ===================  ============================================

Lists are read by their entries, a page at a time, never by whole partitions.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from earshot.errors import RecordingNotFound, RecordingReplaced
from earshot.moments import now
from earshot.recording import FieldNotes, FieldRecording, object_id
from earshot.review.docket import Docket
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Review
    from earshot.table import Item

_FRACTIONS = {"duration_s", "progress"}
_ID = re.compile(r"[0-9a-f]{16}")


class Logbook:
    """What is known of recordings. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)
        self._docket = Docket(client, table)

    # --- recordings ------------------------------------------------------------------------

    def note(self, key: str, site: str, size: int, version: str) -> FieldRecording:
        """Record that a recording came in, counted once, and answer how far it is.

        Other content at a key that is known starts anew, as the latest in the lists.
        """
        recording = object_id(key)
        known = self._find(recording)
        if known and known.version == version:
            return known
        record = FieldRecording(
            recording=recording,
            key=key,
            site=site,
            size=size,
            version=version,
            state="received",
            received_at=now(),
        )
        if known:
            noted = self._table.transact(
                self._table.putting_if(
                    "version = :seen", _recording_item(record), {"seen": known.version}
                ),
                *self._moving(known, record),
            )
        else:
            noted = self._table.transact(
                self._table.putting_new(_recording_item(record)),
                *(self._table.putting(entry) for entry in _entries(record)),
                self._table.updating(
                    "RECORDINGS", "TOTAL", "ADD #total :one", {"one": 1}, names={"total": "total"}
                ),
            )
        return record if noted else self.note(key, site, size, version)

    def hold(self, record: FieldRecording) -> None:
        """Record how far a recording is, or that it is refused or has to wait, and why."""
        self._table.transact(self._still_open(record))

    def finish(
        self,
        record: FieldRecording,
        reviews: Sequence[Review],
        compared: Mapping[str, int] = MappingProxyType({}),
    ) -> FieldRecording:
        """Record what was detected, and queue what is doubtful: all of it or nothing.

        With it is counted how a challenger ``compared`` (``earshot.shadow.comparison``).

        Answers the record as it stands: somebody else may have finished it first. Raises
        RecordingReplaced when other content has come to the recording's key.
        """
        done = self._table.transact(
            self._still_open(record),
            self._table.deleting("REFUSED", record.key),
            *self._docket.asking(reviews),
            *self._counting(compared),
        )
        stands = record if done else self.recording(record.recording)
        if stands.version != record.version:
            raise RecordingReplaced(
                f"{record.key} was replaced while it was analysed. Analyse what lies there now."
            )
        return stands

    def recording(self, recording: str) -> FieldRecording:
        """One recording; raises RecordingNotFound."""
        found = self._find(recording) if _ID.fullmatch(recording) else None
        if found is None:
            raise RecordingNotFound(
                f"There is no recording {recording[:100]!r}. GET /recordings lists them."
            )
        return found

    def recordings(
        self, site: str | None, limit: int, before: str = ""
    ) -> tuple[list[FieldRecording], str | None]:
        """Up to a hundred, the latest first, and what to pass as ``before`` for the next.

        That is None when there are no more.
        """
        entries = self._table.last(
            f"LATEST#RECORDINGS#{site}" if site else "LATEST#RECORDINGS", limit + 1, before
        )
        ids = [entry["sk"].rpartition("_")[2] for entry in entries[:limit]]
        found = self.many(ids)
        rest = entries[limit - 1]["sk"] if len(entries) > limit else None
        return [found[one] for one in ids], rest

    def many(self, recordings: Sequence[str]) -> dict[str, FieldRecording]:
        """Those of up to a hundred recordings that exist, by their id, in one round trip."""
        items = self._table.get_many([_recording_key(one) for one in recordings])
        return {record.recording: record for record in map(_recording, items)}

    def total(self) -> int:
        """How many recordings came in."""
        item = self._table.get("RECORDINGS", "TOTAL")
        return int(item["total"]) if item else 0

    def compared(self, shadow: str) -> dict[str, int]:
        """What was counted of a challenger in recordings, by its shadow's id."""
        item = self._table.get("SHADOWS", shadow) or {}
        return {name: int(n) for name, n in item.items() if "#" in name}

    def _counting(self, compared: Mapping[str, int]) -> list[Item]:
        """The action that adds to a challenger's counts, which all have its shadow's id."""
        if not compared:
            return []
        shadow = next(iter(compared)).split("#")[1]
        numbered = list(enumerate(compared.items()))
        return [
            self._table.updating(
                "SHADOWS",
                shadow,
                "ADD " + ", ".join(f"#n{number} :n{number}" for number, _ in numbered),
                {f"n{number}": n for number, (_, n) in numbered},
                names={f"n{number}": name for number, (name, _) in numbered},
            )
        ]

    def _find(self, recording: str) -> FieldRecording | None:
        item = self._table.get(*_recording_key(recording))
        return _recording(item) if item else None

    def _still_open(self, record: FieldRecording) -> Item:
        """The action that puts a record, unless it is finished or of other content by now."""
        return self._table.putting_if(
            "version = :version AND attribute_not_exists(results)",
            _recording_item(record),
            {"version": record.version},
        )

    def _moving(self, known: FieldRecording, record: FieldRecording) -> list[Item]:
        """The actions that move a recording's entries to when it came in now."""
        if known.received_at == record.received_at:
            return []
        return [
            *(self._table.deleting(entry["pk"], entry["sk"]) for entry in _entries(known)),
            *(self._table.putting(entry) for entry in _entries(record)),
        ]


def _recording_key(recording: str) -> tuple[str, str]:
    return f"RECORDING#{recording}", "RECORDING"


def _entries(record: FieldRecording) -> list[Item]:
    """What a recording is listed by: among all, and among those of its site."""
    entry = f"{record.received_at}_{record.recording}"
    lists = ("LATEST#RECORDINGS", f"LATEST#RECORDINGS#{record.site}")
    return [{"pk": name, "sk": entry} for name in lists]


def _recording_item(record: FieldRecording) -> dict[str, Any]:
    pk, sk = _recording_key(record.recording)
    content = {name: value for name, value in asdict(record).items() if value is not None}
    # DynamoDB reserves the word state, and its numbers are decimals.
    content["stage"] = content.pop("state")
    for name in _FRACTIONS & content.keys():
        content[name] = str(content[name])
    if record.notes:
        content["notes"] = json.dumps(content["notes"])
    return {"pk": pk, "sk": sk, **content}


def _recording(item: dict[str, Any]) -> FieldRecording:
    content = {name: item[name] for name in FieldRecording.__dataclass_fields__ if name in item}
    content["size"] = int(content["size"])
    for name in _FRACTIONS & content.keys():
        content[name] = float(content[name])
    if "notes" in content:
        content["notes"] = FieldNotes(**json.loads(content["notes"]))
    content["detections"] = {label: int(n) for label, n in content["detections"].items()}
    return FieldRecording(state=item["stage"], **content)
