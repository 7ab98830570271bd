"""What can be known of a request afterwards: its log lines, its metrics and its trace.

The metrics are lines of the log, too, in CloudWatch's embedded format: one at most for a request,
in the namespace Earshot/<stack>, with the service as their only dimension, since each combination
of dimensions is a metric of its own, and paid for.

==================  ============  ================================================================
``Predictions``     count         recordings that were classified
``Uncertain``       count         those of them below their label's threshold
``Latency``         milliseconds  from a classified recording's bytes to its answer
``RefusedBundles``  count         model versions that did not verify, and wait for somebody to look
``Refused``         count         recordings that could not be used
``ColdStart``       count         processes that were started to answer
==================  ============  ================================================================
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.metrics.functions import is_metrics_disabled
from earshot.errors import BadRecording, RecordingTooLarge
from starlette.requests import Request

from predict import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "predict")
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Earshot")
# What is taken over from a caller; anything else is left out of the log.
CLIENT_ID = re.compile(rb"[\w.:=+/@-]{1,128}")

logger = logging.getLogger(__name__)

# Its keys are context variables: they follow a request into its thread, and into no other.
formatter = LambdaPowertoolsFormatter(
    # ASCII, so that a line is one line and can be written, whatever a name contains.
    json_serializer=partial(json.dumps, default=str, separators=(",", ":")),
    serialize_stacktrace=False,  # it would say twice what `exception` says
    use_rfc3339=True,
    utc=True,
    name="%(name)s",
    service=SERVICE,
    function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME"),
)


def log_as_json() -> None:
    """Send all that the process logs to standard output, each line an object of JSON.

    POWERTOOLS_LOG_LEVEL is the level of our own lines; of libraries only warnings are told, since
    at finer levels they tell of headers and keys.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    # In the place of the handler that Lambda's runtime has put there.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for ours in ("earshot", "predict"):
        logging.getLogger(ours).setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"))


def traced(handler: Handler) -> Handler:
    """The handler, with X-Ray told of it and of the AWS calls that it makes.

    If POWERTOOLS_TRACE_DISABLED is ``false``; otherwise X-Ray's library is not even imported.
    """
    if os.environ.get("POWERTOOLS_TRACE_DISABLED", "true") != "false":
        return handler
    from aws_lambda_powertools.tracing import Tracer

    # An answer may say what was heard where; that is no business of a trace.
    @Tracer(SERVICE, patch_modules=["botocore"]).capture_lambda_handler(capture_response=False)
    def predict(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return handler(event, context)

    traced_handler: Handler = predict
    return traced_handler


def cold_starts() -> Iterator[bool]:
    """Whether each request in turn is the process's first; without a wait it is not cold."""
    initialization = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE")
    return chain([initialization != "provisioned-concurrency"], repeat(False))


class Telemetry:
    """ASGI middleware: tells of each request, and answers what nobody expected.

    Every line that is logged for a request bears its identity as ``correlation_id``, in whatever
    thread. The last of them says what was answered. It names the route, not the path, and neither
    query nor headers: what people ask for, and with which token, is not in the log.
    """

    def __init__(self, app: ASGIApp, cold_starts: Iterator[bool]) -> None:
        self._app = app
        self._cold_starts = cold_starts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        cold_start = next(self._cold_starts)
        formatter.thread_safe_append_keys(
            correlation_id=scope["state"]["request_id"], cold_start=cold_start
        )
        seen = {"status": 0, "bytes_in": 0, "bytes_out": 0}

        async def receive_counted() -> Message:
            message = await receive()
            seen["bytes_in"] += len(message.get("body", b""))
            return message

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
            seen["bytes_out"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive_counted, send_counted)
        except Exception as error:
            if seen["status"]:
                raise  # too late for another answer
            await problems.unexpected(Request(scope), error)(scope, receive, send_counted)
        finally:
            ms = round((time.perf_counter() - started) * 1000, 2)
            _log(scope, {**seen, "ms": ms})
            _measure(scope, seen["status"], cold_start)


def _log(scope: Scope, seen: dict[str, float]) -> None:
    headers = dict(scope["headers"])
    client_id = headers.get(b"x-request-id", b"")
    event = scope.get("aws.event", {})
    logger.log(
        logging.ERROR if seen["status"] >= 500 else logging.INFO,
        "request",
        extra={
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", None),
            "code": getattr(scope["state"].get("error"), "code", None),
            **seen,
            "caller": scope["state"].get("caller"),
            "client_request_id": client_id.decode() if CLIENT_ID.fullmatch(client_id) else None,
            "api_request_id": event.get("requestContext", {}).get("requestId"),
        },
    )


def _measure(scope: Scope, status: int, cold_start: bool) -> None:
    if is_metrics_disabled():
        return
    # One for each request, since many are under way at once.
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    prediction = scope["state"].get("prediction")
    if prediction and status == 200:
        serving = scope["app"].state.services.serving
        metrics.add_metric("Predictions", "Count", 1)
        metrics.add_metric("Uncertain", "Count", prediction.decision == "uncertain")
        metrics.add_metric("Latency", "Milliseconds", prediction.processing_ms)
        metrics.add_metric("RefusedBundles", "Count", len(serving.refused))
    # By its path: what is too large is refused before there is a route.
    is_refused = isinstance(scope["state"].get("error"), BadRecording | RecordingTooLarge)
    if is_refused and scope["path"] == "/predict":
        metrics.add_metric("Refused", "Count", 1)
    if cold_start:
        metrics.add_metric("ColdStart", "Count", 1)
    if metrics.metric_set:
        # Powertools' own flush writes text and end of line apart, and others write in between.
        sys.stdout.write(f"{json.dumps(metrics.serialize_metric_set(), separators=(',', ':'))}\n")
