"""One queue message: what it speaks of is received, what came of it is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from ingest.events import UnknownEvent, objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from earshot.services import Services


def recorder(services: Services, logger: Logger) -> Callable[[SQSRecord], None]:
    """A record handler over the use cases; raises what the queue has to try again."""

    def receive(record: SQSRecord) -> None:
        for thing in objects(record.body):
            if thing.bucket != services.store.bucket:
                raise UnknownEvent(f"An event of the bucket {thing.bucket}, which is not ours.")
            outcome = services.receive(thing.key, thing.size)
            if outcome.state == "gone" and (decoded := unquote(thing.key)) != thing.key:
                # LocalStack encodes EventBridge's keys but for the slash; on AWS they are plain.
                outcome = services.receive(decoded, thing.size)
            logger.info(
                "object received", key=outcome.key, state=outcome.state, detail=outcome.detail
            )

    return receive
