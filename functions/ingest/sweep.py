"""Lambda entry point: called by the clock, and when a training job failed."""

from collections import Counter

import boto3
from earshot.settings import Settings
from earshot.wiring import wire

from ingest import telemetry
from ingest.sweeper import sweeper

telemetry.log_as_json()
counts = Counter[str]()
sweep = sweeper(wire(Settings.from_environment(), boto3.client), counts)

handler = telemetry.traced(telemetry.told(sweep, counts))
