"""The API, built over the use cases."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from predict import auth, manual, middleware, problems, telemetry
from predict.routes import (
    alerts,
    detections,
    metrics,
    models,
    page,
    predict,
    recordings,
    retrain,
    review,
    samples,
    search,
    status,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

DESCRIPTION = """
Recordings in, labelled and timestamped detections out.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) `application/problem+json`, with a
stable `code` for programs and a `detail` that says what to do.
"""


def create_app(services: Services, cold_starts: Iterator[bool] | None = None) -> FastAPI:
    """The FastAPI application over ``services``, which the routes find in its state.

    ``cold_starts`` says of each request whether it is the process's first.
    """
    app = manual.Api(
        title=f"Earshot: {services.application.name}",
        version=version("earshot"),
        description=DESCRIPTION,
        openapi_tags=manual.TAGS,
        # FastAPI's own pages take their scripts from elsewhere; ours is among the pages.
        docs_url=None,
        redoc_url=None,
        middleware=middleware.around(cold_starts or telemetry.cold_starts()),
    )
    app.state.services = services
    problems.install(app)
    topics = (
        predict,
        status,
        metrics,
        samples,
        models,
        retrain,
        recordings,
        detections,
        alerts,
        review,
        search,
        uploads,
        page,
    )
    auth.include(app, [topic.router for topic in topics], services.tokens)
    return app
