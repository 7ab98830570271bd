"""What can be known of a batch afterwards: its log lines, its metrics and its trace.

The metrics are one line of the log for each invocation, in CloudWatch's embedded format: in the
namespace Earshot/<stack>, with the service as their only dimension. All are counts.

======================  ===================================================================
``SamplesAdded``        labelled clips that were counted
``Duplicates``          labelled clips that are counted already
``SamplesRemoved``      objects that were deleted and held a labelled clip
``RecordingsReceived``  unlabelled recordings that wait for a model
``RecordingsContinued`` unlabelled recordings that are heard in part: others go on with them
``RecordingsAnalysed``  unlabelled recordings in which is listed what was heard
``Unpacked``            archives
``Refused``             objects that could not be used, whose reason is kept
``AlertsDelivered``     alerts that the webhook took
``Failed``              messages that come again, or end as dead letters
``ColdStart``           processes that were started to work on a batch
``Repaired``            what a sweep has put right; by kind ``RunsPublished``,
                        ``RunsRequested``, ``RunsEnded`` (also by a failed job), ``SeatsFreed``,
                        ``CountsCorrected``, ``UploadsAborted``, ``ObjectsReceived``,
                        ``AlertsPublished`` and ``PromotionsPublished``; and what it did about
                        models, ``ModelsRolledBack``, ``ShadowsPromoted``, ``ShadowsEnded`` and
                        ``RunsSettled``; and ``DriftTold``, sites that began to drift
======================  ===================================================================
"""

from __future__ import annotations

import json
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    Handler = Callable[[dict[str, Any], Any], Any]

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "ingest")
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Earshot")

# Its keys are context variables: those of one thread are not those of another.
formatter = LambdaPowertoolsFormatter(
    # ASCII, so that a line is one line and can be written, whatever a key contains.
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

    POWERTOOLS_LOG_LEVEL is the level of our own lines; of libraries only warnings are told.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    # In the place of the handler that Lambda's runtime has put there.
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for ours in ("earshot", "ingest"):
        logging.getLogger(ours).setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"))


def told(handler: Handler, counts: Counter[str]) -> Handler:
    """The handler, with each invocation named in its log lines, and what it counted told."""
    is_cold = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "provisioned-concurrency"

    def invoke(event: dict[str, Any], context: Any) -> Any:
        nonlocal is_cold
        formatter.thread_safe_append_keys(
            function_request_id=context.aws_request_id, cold_start=is_cold, correlation_id=None
        )
        counts["ColdStart"] += is_cold
        is_cold = False
        try:
            return handler(event, context)
        finally:
            metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
            for name, count in (+counts).items():
                metrics.add_metric(name, "Count", count)
            if metrics.metric_set:
                metrics.flush_metrics()
            counts.clear()

    return invoke


def traced(handler: Handler) -> Handler:
    """The handler, with X-Ray told of it and of the AWS calls that it makes.

    If POWERTOOLS_TRACE_DISABLED is ``false``; otherwise X-Ray's library is not even imported.
    """
    if os.environ.get("POWERTOOLS_TRACE_DISABLED", "true") != "false":
        return handler
    from aws_lambda_powertools.tracing import Tracer

    @Tracer(SERVICE, patch_modules=["botocore"]).capture_lambda_handler(capture_response=False)
    def ingest(event: dict[str, Any], context: Any) -> Any:
        return handler(event, context)

    traced_handler: Handler = ingest
    return traced_handler
