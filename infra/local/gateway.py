"""An HTTP API as API Gateway has it, in front of a pool of execution environments; for ASGI."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.local.rie import InvocationFailed, TooLong

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from infra.local.rie import Runtime

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

# What API Gateway takes at most.
MOST_BODY_BYTES = 10 * 1000 * 1000


class Gateway:
    """Requests wait for a free execution environment, where Lambda would start another."""

    def __init__(self, pool: Sequence[Runtime]) -> None:
        self._free: asyncio.Queue[Runtime] = asyncio.Queue()
        for one in pool:
            self._free.put_nowait(one)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status, headers, body = await self._answer(scope, await _whole(receive))
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if len(body) > MOST_BODY_BYTES:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        event = http_event(scope, body)
        free = await self._free.get()
        try:
            told = await asyncio.to_thread(free.invoke, event)
        except TooLong:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except (InvocationFailed, OSError, http.client.HTTPException):
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            self._free.put_nowait(free)
        text = told.get("body") or ""
        content = base64.b64decode(text) if told.get("isBase64Encoded") else text.encode()
        return told["statusCode"], told.get("headers") or {}, content


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _refusal(status: HTTPStatus) -> tuple[int, dict[str, str], bytes]:
    return (
        status,
        {"content-type": "application/json"},
        json.dumps({"message": status.phrase}).encode(),
    )


def http_event(scope: Scope, body: bytes) -> dict[str, Any]:
    """What API Gateway makes of a request, payload format 2.0."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    kind = headers.get("content-type", "")
    is_text = kind.startswith(("text/", "application/json"))
    now = time.time()
    host = headers.get("host", "")
    source = (scope.get("client") or ("127.0.0.1", 0))[0]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": scope["path"],
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": {
            **headers,
            "x-forwarded-for": source,
            "x-forwarded-port": host.rpartition(":")[2],
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": scope["method"],
                "path": scope["path"],
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "ANY /{proxy+}",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": bool(body) and not is_text,
    }
    if body:
        event["body"] = body.decode() if is_text else base64.b64encode(body).decode()
    return event
