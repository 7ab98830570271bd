"""The API, built over the use cases."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from predict import problems, requests
from predict.routes import models, page, predict, retrain, samples, status

if TYPE_CHECKING:
    from earshot.services import Services

DESCRIPTION = """
Recordings in, labelled and timestamped detections out.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) `application/problem+json`, with a
stable `code` for programs and a `detail` that says what to do.
"""


def create_app(services: Services) -> FastAPI:
    """The FastAPI application over ``services``, which the routes find in its state."""
    app = FastAPI(
        title=f"Earshot: {services.application.name}",
        version=version("earshot"),
        description=DESCRIPTION,
    )
    app.state.services = services
    problems.install(app)
    app.add_middleware(requests.BodyLimit)
    app.add_middleware(requests.RequestId)
    for topic in (predict, status, samples, models, retrain, page):
        app.include_router(topic.router)
    return app
