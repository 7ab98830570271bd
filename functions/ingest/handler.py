"""Lambda entry point: a batch of SQS messages, each retried on its own."""

from collections import Counter
from typing import Any

import boto3
from aws_lambda_powertools.utilities import batch
from earshot.settings import Settings
from earshot.wiring import wire

from ingest import telemetry
from ingest.records import recorder

telemetry.log_as_json()
counts = Counter[str]()
receive = recorder(wire(Settings.from_environment(), boto3.client), counts)
processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)


def process(event: dict[str, Any], context: Any) -> Any:
    """Process a batch; the answer names the messages that failed."""
    return batch.process_partial_response(event, receive, processor, context)


handler = telemetry.traced(telemetry.told(process, counts))
