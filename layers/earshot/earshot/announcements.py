"""Which promotion was told of last, in the DynamoDB table.

===================  ============  ===================================================
``pk``               ``sk``        item
===================  ============  ===================================================
``MODEL#PROMOTED``   ``TOLD``      ``promoted_at`` of the promotion that was published
===================  ============  ===================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.pointer import Promotion

_KEY = {"pk": "MODEL#PROMOTED", "sk": "TOLD"}


class Announcements:
    """Remembers what was published, so that a promotion that nobody heard of can be told from it.

    It is not in the pointer, which is written before anybody is told.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def keep(self, promotion: Promotion) -> None:
        """Record that a promotion was published."""
        self._table.put(_KEY | {"promoted_at": promotion.promoted_at})

    def has(self, promotion: Promotion) -> bool:
        """Whether it is the one that was published last."""
        item = self._table.get(_KEY["pk"], _KEY["sk"]) or {}
        return item.get("promoted_at") == promotion.promoted_at
