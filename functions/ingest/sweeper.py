"""What the clock and AWS Batch say: it is time for a sweep, or a training job failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ingest.deadline import goes_on
from ingest.events import UnknownEvent

if TYPE_CHECKING:
    from collections import Counter

    from earshot.services import Services
    from earshot.sweeps import Repair

    from ingest.deadline import Context
    from ingest.telemetry import Handler

logger = logging.getLogger(__name__)

JOB_CHANGED = "Batch Job State Change"

COUNTED: dict[Repair, str] = {
    "run_published": "RunsPublished",
    "run_ended": "RunsEnded",
    "seat_freed": "SeatsFreed",
    "run_requested": "RunsRequested",
    "count_corrected": "CountsCorrected",
    "upload_aborted": "UploadsAborted",
    "object_received": "ObjectsReceived",
    "alert_published": "AlertsPublished",
    "drift_told": "DriftTold",
    "promotion_published": "PromotionsPublished",
    "rolled_back": "ModelsRolledBack",
    "shadow_promoted": "ShadowsPromoted",
    "shadow_ended": "ShadowsEnded",
    "run_settled": "RunsSettled",
}


def sweeper(services: Services, counts: Counter[str]) -> Handler:
    """A handler over the use cases; raises what Lambda has to count as an error and try again."""

    def handle(event: dict[str, Any], context: Any) -> None:
        if event.get("detail-type") == JOB_CHANGED:
            end_run(event)
        else:
            sweep(context)

    def end_run(event: dict[str, Any]) -> None:
        """End the run of a job that failed, unless somebody else has it, or it is over."""
        run, job, why = failed_job(event)
        ended = services.training.job_failed(run, job, why)
        counts[COUNTED["run_ended"]] += ended
        logger.info("job failed", extra={"run": run, "job": job, "why": why, "ended": ended})

    def sweep(context: Context | None) -> None:
        report = services.sweep.run(goes_on(context))
        for repair, n in report.repairs.items():
            counts[COUNTED[repair]] += n
        counts["Repaired"] += report.repaired
        logger.info("swept", extra={"repairs": report.repairs, "failed": report.failed})
        if report.failed:
            raise RuntimeError(" ".join(report.failed))

    return handle


def failed_job(event: dict[str, Any]) -> tuple[str, str, str]:
    """The run that a failed Batch job was for, the job's id, and why; raises UnknownEvent."""
    try:
        detail = event["detail"]
        if detail["status"] != "FAILED":
            raise UnknownEvent(f"A job that is {detail['status']}, not one that failed.")
        container = detail.get("container", {})
        reasons = [detail.get("statusReason"), container.get("reason")]
        if "exitCode" in container:
            reasons.append(f"exit code {container['exitCode']}")
        why = "; ".join(reason for reason in reasons if reason) or "Batch does not say why"
        return detail["parameters"]["run"], detail["jobId"], why
    except (KeyError, TypeError, AttributeError) as error:
        raise UnknownEvent(f"Not a change of one of our jobs: {error!r}: {event}") from error
