"""Lambda entry point: wires the API; uvicorn serves the same ``app`` on the local stack."""

import boto3
from earshot.settings import Settings
from earshot.wiring import wire
from mangum import Mangum

from predict.app import create_app

app = create_app(wire(Settings.from_environment(), boto3.client))
# With lifespan on, start-up would run again on every invocation.
handler = Mangum(app, lifespan="off")
