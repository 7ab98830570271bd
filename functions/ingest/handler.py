"""Lambda entry point: a batch of SQS messages, each retried on its own."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import batch
from earshot.settings import Settings
from earshot.wiring import wire

from ingest.records import recorder

logger = Logger()
receive = recorder(wire(Settings.from_environment(), boto3.client), logger)
processor = batch.BatchProcessor(
    event_type=batch.EventType.SQS, raise_on_entire_batch_failure=False
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch; the answer names the messages that failed."""
    return batch.process_partial_response(event, receive, processor, context)
