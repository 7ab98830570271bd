"""What AWS Batch would do with a RetrainRequested event: run the job's command in a process.

One job at a time, with the environment that the job definition says, its attempts and its time-out.
The container is not emulated: the command runs in this Python, with what the image would install.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from infra.local.endpoint import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from threading import Event
    from typing import IO

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from infra.local.stack import Job

# The ENTRYPOINT of functions/retrain/Dockerfile.
ENTRYPOINT = (sys.executable, "-m", "retrain")
WAIT_S = 1
LOOK_EVERY_S = 0.2

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The local stack is going down while a job runs."""


class Worker:
    """Runs the jobs that a queue's events ask for.

    ``surroundings`` are the variables that a container would find besides the job's own:
    endpoint, credentials, region, paths. What jobs print is appended to ``log_file``. ``tell`` is
    called with the event of a job that failed, all attempts.
    """

    def __init__(
        self,
        sqs: SQSClient,
        job: Job,
        surroundings: Mapping[str, str],
        log_file: Path,
        stop: Event,
        *,
        tell: Callable[[dict[str, Any]], None],
        entrypoint: tuple[str, ...] = ENTRYPOINT,
    ) -> None:
        self._sqs = sqs
        self._job = job
        self._surroundings = surroundings
        self._log_file = log_file
        self._stop = stop
        self._tell = tell
        self._entrypoint = entrypoint

    def run(self) -> None:
        """Work until stopped; a job that runs then is terminated, and its event waits."""
        while not self._stop.is_set():
            self.poll()

    def poll(self) -> bool:
        """Take one event, if there is one, and run its job; returns whether there was one."""
        messages = self._sqs.receive_message(
            QueueUrl=self._job.queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=WAIT_S
        ).get("Messages", [])
        for message in messages:
            self._handle(message)
        return bool(messages)

    def _handle(self, message: MessageTypeDef) -> None:
        queue_url, handle = self._job.queue_url, message["ReceiptHandle"]
        try:
            event = json.loads(message["Body"])
            # One job for one event: after a stop it comes again, and may go on with its own run.
            self._run_job(event, job_id=str(event["id"]))
        except Stopped:
            self._sqs.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0
            )
            return
        except (KeyError, TypeError, ValueError):
            log.exception("An event does not fit the job's parameters: %s", message["Body"])
        self._sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=handle)

    def _run_job(self, event: dict[str, Any], job_id: str) -> None:
        command = self._job.command_for(event)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as log_file:
            for attempt in range(1, self._job.attempts + 1):
                status = self._run_attempt(command, job_id, attempt, log_file)
                if status == 0:
                    return
                log.warning("Attempt %d of %s ended with status %d.", attempt, command, status)
        self._tell(_failure(job_id, self._job.parameters(event), status))

    def _run_attempt(
        self, command: list[str], job_id: str, attempt: int, log_file: IO[bytes]
    ) -> int:
        """Run the command once; returns its exit status, raises Stopped."""
        process = subprocess.Popen(
            [*self._entrypoint, *command],
            cwd=REPOSITORY,
            env={
                **self._surroundings,
                **self._job.environment,
                "AWS_BATCH_JOB_ID": job_id,
                "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            },
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,
        )
        remaining_s: float = self._job.timeout_s
        while remaining_s > 0:
            try:
                return process.wait(LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                remaining_s -= LOOK_EVERY_S
            if self._stop.is_set():
                break
        _terminate(process)
        if self._stop.is_set():
            raise Stopped
        return process.returncode


def _failure(job_id: str, parameters: dict[str, str], status: int) -> dict[str, Any]:
    """Batch's event of a failed job: of what it says, what Earshot looks at."""
    return {
        "detail-type": "Batch Job State Change",
        "source": "aws.batch",
        "detail": {
            "jobName": "retrain",
            "jobId": job_id,
            "status": "FAILED",
            "statusReason": "Essential container in task exited",
            "parameters": parameters,
            # Who dies of signal 9 has -9 for a process, and 137 for a container.
            "container": {"exitCode": status if status >= 0 else 128 - status},
        },
    }


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then, as Batch does after 30 s, SIGKILL."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
