"""Lambda entry point: alerts of an SQS queue, each delivered to the webhook on its own."""

from collections import Counter
from os import environ

import boto3
from earshot.letters import Failures

from ingest import telemetry
from ingest.batches import batched
from ingest.delivery import Courier, Destination, deliverer

telemetry.log_as_json()
counts = Counter[str]()
there = Destination.of(environ["EARSHOT_WEBHOOK_URL"], environ["EARSHOT_WEBHOOK_SECRET"])
failures = Failures(boto3.client("dynamodb"), environ["EARSHOT_TABLE"])
deliver = deliverer(Courier(there), failures, counts)
handler = telemetry.traced(telemetry.told(batched(deliver), counts))
