"""Who may call which route."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from earshot.tokens import Scope, Tokens
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.params import Security as Guard
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from predict.admission import admit

# The scope that each route asks for. /openapi.json is open, too.
OPEN = None
SCOPES: dict[str, Scope | None] = {
    "GET /": OPEN,
    "GET /docs": OPEN,
    "GET /web/{version}/{path:path}": OPEN,
    "GET /health": OPEN,
    "POST /predict": "predict",
    "GET /classes": "predict",
    "GET /classes/{label}/example": "predict",
    "GET /status": "predict",
    "GET /metrics": "predict",
    "GET /samples": "predict",
    "GET /samples/{sample}/clip": "predict",
    "GET /retrain": "predict",
    "GET /retrain/{run}": "predict",
    "GET /models": "predict",
    "GET /models/{version}": "predict",
    "GET /models/{version}/evaluation": "predict",
    "GET /models/{version}/shadow": "predict",
    "GET /recordings": "predict",
    "GET /recordings/{recording}": "predict",
    "GET /recordings/{recording}/detections": "predict",
    "GET /recordings/{recording}/clips/{clip}": "predict",
    "GET /detections": "predict",
    "GET /alerts": "predict",
    "GET /alerts/rules": "predict",
    "GET /review": "predict",
    "GET /review/{review}/clip": "predict",
    "POST /search": "predict",
    "POST /samples": "write",
    "POST /uploads": "write",
    "POST /uploads/{upload_id}/complete": "write",
    "DELETE /uploads/{upload_id}": "write",
    "POST /retrain": "write",
    "POST /review": "write",
    "POST /review/{review}": "write",
    "POST /models/{version}/promote": "admin",
    "POST /models/rollback": "admin",
    "POST /models/{version}/shadow": "admin",
    "DELETE /models/shadow": "admin",
    "POST /alerts/test": "admin",
}

_bearer = HTTPBearer(
    scheme_name="token",
    description="`earshot token create NAME --scope predict|write|admin` makes one.",
    auto_error=False,
)


def include(app: FastAPI, routers: list[APIRouter], tokens: Tokens | None) -> None:
    """Put routes into the application, each behind the scope of its row.

    One that has no row is the administrator's. Without ``tokens`` they all are open.
    """
    # What is no APIRoute takes no dependencies: it does not get in.
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    for scope, group in groupby(routes, needed):
        guards = [_guard(tokens, scope)] if tokens and scope else []
        app.include_router(APIRouter(routes=list(group)), dependencies=guards)


def needed(route: APIRoute) -> Scope | None:
    """The scope of a route; None when it is open."""
    (method,) = list(route.methods or ())
    return SCOPES.get(f"{method} {route.path}", "admin")


def _guard(tokens: Tokens, scope: Scope) -> Guard:
    def admitted(
        request: Request,
        # For the manual only, which says with it what a token looks like.
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        admit(request, tokens, scope)

    guard: Guard = Security(admitted, scopes=[scope])
    return guard


def caller(request: Request) -> str | None:
    """The name of the token that came with a request; None where none is asked for."""
    return getattr(request.state, "caller", None)


Caller = Annotated[str | None, Depends(caller)]
