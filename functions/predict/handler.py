"""Lambda entry point: wires the API; uvicorn serves the same ``app`` on the local stack."""

import gc

# What is made while a process starts stays: to look through it again and again takes a tenth of a
# cold start, and the same for ever after.
gc.disable()

import boto3
from earshot.settings import Settings
from mangum import Mangum

from predict import telemetry
from predict.door import Door
from predict.middleware import across

telemetry.log_as_json()
settings = Settings.from_environment()
app = across(Door(settings, boto3.client), settings.cors_origins)
# With lifespan on, start-up would run again on every invocation.
handler = telemetry.traced(Mangum(app, lifespan="off"))
gc.freeze()
gc.enable()
