"""Lambda entry point: wires the API; uvicorn serves the same ``app`` on the local stack."""

import gc

# What is made now stays: to look through it again and again takes a tenth of a cold start.
gc.disable()

import boto3
from earshot.essentials import Essentials
from earshot.settings import Settings

settings = Settings.from_environment()
essentials = Essentials.wire(settings, boto3.client)
essentials.serving.prepare()  # while the rest is imported

from mangum import Mangum

from predict import telemetry
from predict.door import Door
from predict.middleware import across

telemetry.log_as_json()
app = across(Door(settings, boto3.client, essentials), settings.cors_origins)
# With lifespan on, start-up would run again on every invocation.
handler = telemetry.traced(Mangum(app, lifespan="off"))
gc.freeze()
gc.enable()
