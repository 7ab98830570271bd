"""Field recordings, and what a person is asked about them, in the DynamoDB table.

=============================  ===================  ============================================
``pk``                         ``sk``               item
=============================  ===================  ============================================
``RECORDING#<recording>``      ``RECORDING``        a recording: its state, what was detected
``LATEST#RECORDINGS``          time, ``_``, id      an entry by which the latest are found
``LATEST#RECORDINGS#<site>``   time, ``_``, id      the same for those of a site
``RECORDINGS``                 ``TOTAL``            ``total``, how many there are
``REVIEW#<review>``            ``REVIEW``           a stretch of a recording, and its verdict
``REVIEWS``                    margin, ``_``, id    an entry for each that waits for a person
``REVIEWED``                   ``TOTAL``            how many verdicts of each kind stand
=============================  ===================  ============================================

Lists are read by their entries, a page at a time, never by whole partitions.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from earshot.errors import RecordingNotFound, RecordingReplaced, ReviewNotFound
from earshot.recording import (
    Doubt,
    FieldNotes,
    FieldRecording,
    Review,
    TakenBack,
    now,
    object_id,
)
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Verdict
    from earshot.table import Item

_FRACTIONS = {"duration_s", "progress"}
VERDICTS: tuple[Verdict, ...] = ("confirm", "correct", "reject")
_ID = re.compile(r"[0-9a-f]{16}")


class Logbook:
    """What is known of recordings. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

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

    def finish(self, record: FieldRecording, reviews: Sequence[Review]) -> FieldRecording:
        """Record what was detected, and queue what is doubtful: all of it or nothing.

        Answers the record as it stands: somebody else may have finished it first. Raises
        RecordingReplaced when other content has come to the recording's key.
        """
        keys = [_review_key(review.review) for review in reviews]
        there = {item["pk"] for item in self._table.get_many(keys)}
        asked = [
            action
            for review in reviews
            if _review_key(review.review)[0] not in there
            for action in (
                self._table.putting_new(_review_item(review)),
                self._table.putting(_waiting(review)),
            )
        ]
        done = self._table.transact(
            self._still_open(record),
            self._table.deleting("REFUSED", record.key),
            *asked,
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

    # --- the review queue ------------------------------------------------------------------

    def reviews(self, limit: int) -> list[Review]:
        """Up to a hundred that wait for a person, the least certain first."""
        ids = [entry["sk"].rpartition("_")[2] for entry in self._table.first("REVIEWS", limit)]
        items = self._table.get_many([_review_key(one) for one in ids])
        found = {review.review: review for review in map(_review, items)}
        return [found[one] for one in ids]

    def review(self, review: str) -> Review:
        """One, whether it waits or not; raises ReviewNotFound."""
        item = self._table.get(*_review_key(review)) if _ID.fullmatch(review) else None
        if item is None:
            raise ReviewNotFound(f"There is no review {review[:100]!r}. GET /review lists them.")
        return _review(item)

    def is_waiting(self, review: Review) -> bool:
        """Whether it is in the queue."""
        entry = _waiting(review)
        return self._table.get(entry["pk"], entry["sk"]) is not None

    def reviewed(self) -> dict[Verdict, int]:
        """How many verdicts of each kind stand."""
        item = self._table.get("REVIEWED", "TOTAL") or {}
        # One of before they were counted may be taken back.
        return {verdict: max(0, int(item.get(verdict, 0))) for verdict in VERDICTS}

    def decide(self, review: Review) -> bool:
        """Record a verdict and count it; False when there is one, or was since this was read."""
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.putting_if(
                f"attribute_not_exists(verdict) AND {when}", _review_item(review), seen
            ),
            self._counting(review, 1),
        )

    def close(self, review: Review) -> bool:
        """Take it out of the queue; False when its verdict stands no more."""
        entry = _waiting(review)
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.checking(*_review_key(review.review), when, seen),
            self._table.deleting(entry["pk"], entry["sk"]),
        )

    def take_back(self, review: Review, undone: Review) -> bool:
        """Record that the verdict of ``review`` is ``undone``, and put it into the queue again.

        False when that verdict stands no more.
        """
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.putting_if(when, _review_item(undone), seen),
            self._table.putting(_waiting(undone)),
            self._counting(review, -1),
        )

    def _counting(self, review: Review, by: int) -> Item:
        return self._table.updating(
            "REVIEWED",
            "TOTAL",
            "ADD #verdict :by",
            {"by": by},
            names={"verdict": review.verdict or ""},
        )


def _recording_key(recording: str) -> tuple[str, str]:
    return f"RECORDING#{recording}", "RECORDING"


def _entries(record: FieldRecording) -> list[Item]:
    """What a recording is listed by: among all, and among those of its site."""
    entry = f"{record.received_at}_{record.recording}"
    lists = ("LATEST#RECORDINGS", f"LATEST#RECORDINGS#{record.site}")
    return [{"pk": name, "sk": entry} for name in lists]


def _review_key(review: str) -> tuple[str, str]:
    return f"REVIEW#{review}", "REVIEW"


def _waiting(review: Review) -> Item:
    """The queue's entry; margins have one width, so that text sorts as numbers do."""
    return {"pk": "REVIEWS", "sk": f"{review.doubt.margin:.4f}_{review.review}"}


def _as_seen(review: Review) -> tuple[str, Item]:
    """The condition that no verdict was taken back since a review was read.

    So the verdict that it had still stands: only by this does one go.
    """
    if not review.history:
        return "attribute_not_exists(history)", {}
    return "history = :history", {"history": _told(review.history)}


def _told(history: tuple[TakenBack, ...]) -> str:
    return json.dumps([asdict(one) for one in history])


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


def _review_item(review: Review) -> dict[str, Any]:
    pk, sk = _review_key(review.review)
    content = {name: value for name, value in asdict(review).items() if value is not None}
    content["doubt"] = json.dumps(content["doubt"])
    del content["history"]
    if review.history:
        content["history"] = _told(review.history)
    return {"pk": pk, "sk": sk, **content}


def _review(item: dict[str, Any]) -> Review:
    content = {name: item[name] for name in Review.__dataclass_fields__ if name in item}
    content["doubt"] = Doubt(**json.loads(content["doubt"]))
    told = json.loads(content.get("history", "[]"))
    content["history"] = tuple(TakenBack(**one) for one in told)
    return Review(**content)
