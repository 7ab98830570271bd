"""Lambda entry point: a batch of SQS messages, each retried on its own."""

from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from earshot.settings import Settings
from earshot.wiring import wire

from ingest.records import recorder

logger = Logger()
services = wire(
    Settings.from_environment(),
    s3=boto3.client("s3"),
    dynamodb=boto3.client("dynamodb"),
    events=boto3.client("events"),
)
receive = recorder(services, logger)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    """Process a batch; the answer names the messages that failed."""
    return process_partial_response(event, receive, processor, context)
