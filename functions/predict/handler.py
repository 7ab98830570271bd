"""Lambda entry point: wires the API; uvicorn serves the same ``app`` on the local stack."""

import boto3
from earshot.settings import Settings
from earshot.wiring import wire
from mangum import Mangum

from predict import telemetry
from predict.app import create_app
from predict.auth import across

telemetry.log_as_json()
settings = Settings.from_environment()
app = across(create_app(wire(settings, boto3.client)), settings.cors_origins)
# With lifespan on, start-up would run again on every invocation.
handler = telemetry.traced(Mangum(app, lifespan="off"))
