"""Lambda entry point: a batch of SQS messages, each retried on its own."""

from collections import Counter
from functools import cache, partial

import boto3
from earshot.settings import Settings
from earshot.wiring import wire

from ingest import telemetry
from ingest.batches import batched, isolated
from ingest.records import recorder

telemetry.log_as_json()
counts = Counter[str]()
services = wire(Settings.from_environment(), boto3.client)
receive = recorder(services, counts)
process = isolated(batched(receive), services.failures, cache(partial(boto3.client, "sqs")))
handler = telemetry.traced(telemetry.told(process, counts))
