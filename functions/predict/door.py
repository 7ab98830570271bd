"""The door: most requests are recordings to predict, and those do not wait for the whole API.

Importing FastAPI and declaring thirty routes takes longer than importing numpy, ONNX Runtime and
boto3. A plain ``POST /predict`` needs none of that: it is answered by one route of Starlette, with
the same middleware, the same use case and the same errors. Whatever else is asked for, a prediction
with parameters as well, the API answers, which is made when it is first asked for.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from predict import answers, middleware, problems, telemetry
from predict.admission import admit
from predict.bodies import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.essentials import Essentials
    from earshot.settings import Settings
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send


class Door:
    """ASGI application: answers what is plain itself, and passes on the rest.

    ``client`` makes a client of AWS by its service's name; ``essentials`` are made of some already.
    """

    def __init__(
        self, settings: Settings, client: Callable[..., Any], essentials: Essentials
    ) -> None:
        self._settings, self._client, self._essentials = settings, client, essentials
        self._cold_starts = telemetry.cold_starts()
        self._quick = _quick(self._essentials, self._cold_starts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_plain = (
            scope["type"] == "http"
            and (scope["method"], scope["path"]) == ("POST", "/predict")
            and not scope["query_string"]
        )
        await (self._quick if is_plain else self._api)(scope, receive, send)

    @cached_property
    def _api(self) -> ASGIApp:
        from earshot.wiring import wire

        from predict.app import create_app

        services = wire(self._settings, self._client, self._essentials)
        return create_app(services, self._cold_starts)


def _quick(essentials: Essentials, cold_starts: Iterator[bool]) -> Starlette:
    app = Starlette(
        routes=[Route("/predict", _predict, methods=["POST"])],
        middleware=middleware.around(cold_starts),
        exception_handlers=problems.HANDLERS,
    )
    app.state.services = essentials
    return app


async def _predict(request: Request) -> JSONResponse:
    services, request_id = request.app.state.services, request.state.request_id
    if services.tokens:
        await asyncio.to_thread(admit, request, services.tokens, "predict")
    body = await recording(request)
    heard = await asyncio.to_thread(services.classify, body, request_id=request_id)
    request.state.prediction = heard
    return JSONResponse(answers.prediction(heard, request_id))
