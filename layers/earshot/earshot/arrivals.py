"""What came in beside the samples: refusals, archives and recordings, in the DynamoDB table.

==============  ==========  =========================================================
``pk``          ``sk``      item
==============  ==========  =========================================================
``REFUSED``     object key  an object that could not be used, and why
``IMPORTS``     object key  an archive that was unpacked: clips, what was ignored
``RECORDINGS``  object key  an unlabelled recording
==============  ==========  =========================================================
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from earshot.recording import Import, Refusal, now
from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REFUSAL_DAYS = 30


class Arrivals:
    """What is known of objects that are no samples. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def refuse(self, refusal: Refusal) -> None:
        """Record an object that could not be used; the same object again changes nothing."""
        self._table.put(
            {
                "pk": "REFUSED",
                "sk": refusal.key,
                "code": refusal.code,
                "reason": refusal.reason,
                "refused_at": refusal.refused_at,
                "expires_at": int(time.time()) + REFUSAL_DAYS * 86_400,
            }
        )

    def refusals(self, limit: int = 100) -> list[Refusal]:
        """Objects that could not be used, the latest first."""
        found = [
            Refusal(item["sk"], item["code"], item["reason"], item["refused_at"])
            for item in self._table.query("REFUSED")
        ]
        return sorted(found, key=lambda refusal: refusal.refused_at, reverse=True)[:limit]

    def note_import(self, record: Import) -> None:
        """Record how far an archive is; once it is unpacked, an older refusal of it is over."""
        self._table.put(_import_item(record))
        if record.state == "unpacked":
            self._table.delete("REFUSED", record.key)

    def import_of(self, key: str) -> Import | None:
        """What was recorded of an archive."""
        item = self._table.get("IMPORTS", key)
        return _import(item) if item else None

    def imports(self, limit: int = 100) -> list[Import]:
        """Archives that were unpacked, the latest first."""
        found = [_import(item) for item in self._table.query("IMPORTS")]
        return sorted(found, key=lambda record: record.at, reverse=True)[:limit]

    def note_recording(self, key: str, site: str, size: int) -> None:
        """Record that an unlabelled recording came in."""
        self._table.put(
            {
                "pk": "RECORDINGS",
                "sk": key,
                "site": site,
                "size": size,
                "state": "received",
                "received_at": now(),
            }
        )

    def recording_count(self) -> int:
        """How many unlabelled recordings came in."""
        return sum(1 for _ in self._table.query("RECORDINGS"))


def _import_item(record: Import) -> dict[str, Any]:
    return {
        "pk": "IMPORTS",
        "sk": record.key,
        "version": record.version,
        "state": record.state,
        "clips": record.clips,
        "size": record.size,
        "ignored": list(record.ignored),
        "ignored_total": record.ignored_total,
        "at": record.at,
    }


def _import(item: dict[str, Any]) -> Import:
    return Import(
        key=item["sk"],
        version=item["version"],
        state=item["state"],
        clips=int(item["clips"]),
        size=int(item["size"]),
        ignored=tuple(item["ignored"]),
        ignored_total=int(item["ignored_total"]),
        at=item["at"],
    )
