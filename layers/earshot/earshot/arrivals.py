"""Refusals and archives, in the DynamoDB table.

===================  ========================  ===========================================
``pk``               ``sk``                    item
===================  ========================  ===========================================
``REFUSED``          object key                an object that could not be used, and why
``IMPORTS``          object key                an archive that was unpacked: clips, what
                                               was ignored
``LATEST#REFUSED``,  time, ``_``, digest of    an entry by which the latest are found:
``LATEST#IMPORTS``   the object key            ``key`` and ``at``
===================  ========================  ===========================================

An entry whose object is there no more, or there with another time, is passed over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from earshot.recording import Import, Refusal, object_id
from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.table import Item

REFUSAL_DAYS = 30
# Entries that are read at once, and how often at most: a list is never a whole partition's read.
PAGE = 100
PAGES = 10


class Arrivals:
    """What is known of objects beside samples and recordings. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def refuse(self, refusal: Refusal) -> None:
        """Record an object that could not be used; the same refusal again changes nothing."""
        known = self._table.get("REFUSED", refusal.key)
        if known and (known["code"], known["reason"]) == (refusal.code, refusal.reason):
            return
        expires_at = int(time.time()) + REFUSAL_DAYS * 86_400
        self._table.transact(
            self._table.putting(
                {
                    "pk": "REFUSED",
                    "sk": refusal.key,
                    "code": refusal.code,
                    "reason": refusal.reason,
                    "at": refusal.refused_at,
                    "expires_at": expires_at,
                }
            ),
            self._table.putting(
                _entry("REFUSED", refusal.key, refusal.refused_at) | {"expires_at": expires_at}
            ),
        )

    def refusals(self, limit: int = 100) -> list[Refusal]:
        """Objects that could not be used, the latest first."""
        return [
            Refusal(item["sk"], item["code"], item["reason"], item["at"])
            for item in self._latest("REFUSED", limit)
        ]

    def forgive(self, key: str) -> None:
        """Forget the refusal of an object, if there is one."""
        self._table.delete("REFUSED", key)

    def note_import(self, record: Import) -> None:
        """Record how far an archive is; once it is unpacked, an older refusal of it is over."""
        self._table.transact(
            self._table.putting(_import_item(record)),
            self._table.putting(_entry("IMPORTS", record.key, record.at)),
        )
        if record.state == "unpacked":
            self._table.delete("REFUSED", record.key)

    def import_of(self, key: str) -> Import | None:
        """What was recorded of an archive."""
        item = self._table.get("IMPORTS", key)
        return _import(item) if item else None

    def imports(self, limit: int = 100) -> list[Import]:
        """Archives that were unpacked, the latest first."""
        return [_import(item) for item in self._latest("IMPORTS", limit)]

    def _latest(self, topic: str, limit: int) -> list[Item]:
        """The items of a topic by their ``at``, the latest first."""
        found: list[Item] = []
        before = ""
        for _ in range(PAGES):
            entries = self._table.last(f"LATEST#{topic}", PAGE, before)
            keys = dict.fromkeys((topic, entry["key"]) for entry in entries)
            items = {item["sk"]: item for item in self._table.get_many([*keys])}
            found += [
                items[entry["key"]]
                for entry in entries
                if entry["key"] in items and items[entry["key"]]["at"] == entry["at"]
            ]
            if len(found) >= limit or len(entries) < PAGE:
                break
            before = entries[-1]["sk"]
        return found[:limit]


def _entry(topic: str, key: str, at: str) -> Item:
    return {"pk": f"LATEST#{topic}", "sk": f"{at}_{object_id(key)}", "key": key, "at": at}


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
