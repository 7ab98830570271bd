"""What was predicted, counted in the DynamoDB table.

=======================  ==========  ==========================================
``pk``                   ``sk``      item
=======================  ==========  ==========================================
``STATISTICS#<shard>``   ``TOTALS``  ``predictions``, ``uncertain``, ``n#<label>``
=======================  ==========  ==========================================
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Prediction

SHARDS = "0123456789abcdef"


class Statistics:
    """Totals of all predictions."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def count(self, prediction: Prediction) -> None:
        """Add one answer to the totals: one write, on one of sixteen shards."""
        self._table.update(
            f"STATISTICS#{random.choice(SHARDS)}",
            "TOTALS",
            "ADD predictions :one, uncertain :uncertain, #label :one",
            {"one": 1, "uncertain": int(prediction.decision == "uncertain")},
            names={"label": f"n#{prediction.label}"},
        )

    def totals(self) -> dict[str, int]:
        """Totals over all shards: ``predictions``, ``uncertain`` and ``n#<label>``."""
        totals: dict[str, int] = {"predictions": 0, "uncertain": 0}
        for item in self._table.get_many([(f"STATISTICS#{s}", "TOTALS") for s in SHARDS]):
            for name, value in item.items():
                if name not in ("pk", "sk"):
                    totals[name] = totals.get(name, 0) + int(value)
        return totals
