"""What the last sweep did, in the DynamoDB table.

=========  =========  =====================================================================
``pk``     ``sk``     item
=========  =========  =====================================================================
``SWEEP``  ``SWEEP``  the last sweep's report; ``place``, where the next one goes on in the
                      list of recordings
=========  =========  =====================================================================
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Repair = Literal[
    "run_published", "run_ended", "seat_freed", "run_requested", "count_corrected",
    "upload_aborted", "object_received", "alert_published", "drift_told",
    "promotion_published", "rolled_back", "shadow_promoted", "shadow_ended", "run_settled",
]  # fmt: skip

# What is to be told is told in the second that it happens, or by whoever died there not at all.
UNPUBLISHED_S = 60
# An item has 400 KB, and who reads that much?
TOLD = 50


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did.

    ``at`` is when it began (UTC, ISO 8601), ``repairs`` counts them by kind, ``done`` says each in
    a sentence, ``failed`` what could not be looked after and why. ``place`` is where the next one
    goes on in the list of recordings; empty for its start.
    """

    at: str
    repairs: dict[Repair, int]
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    place: str = ""

    @property
    def repaired(self) -> int:
        """How many repairs there were."""
        return sum(self.repairs.values())


class Sweeps:
    """Keeps the report of the last sweep."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def keep(self, report: SweepReport) -> None:
        """Put a report in the place of the one before; of its sentences the first ones."""
        content = asdict(report) | {
            "done": list(report.done[:TOLD]),
            "failed": list(report.failed[:TOLD]),
        }
        self._table.put({"pk": "SWEEP", "sk": "SWEEP", **content})

    def last(self) -> SweepReport | None:
        """The last sweep's report; None when there was none yet."""
        item = self._table.get("SWEEP", "SWEEP")
        if item is None:
            return None
        return SweepReport(
            at=item["at"],
            repairs={kind: int(n) for kind, n in item["repairs"].items()},
            done=tuple(item["done"]),
            failed=tuple(item["failed"]),
            place=item["place"],
        )
