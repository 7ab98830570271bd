"""Alerts, delivered to a webhook: signed as Standard Webhooks has it.

The specification is that of https://www.standardwebhooks.com: the receiver finds a message's
identity, the time of this attempt and an HMAC of both and the body in three headers, and may check
them with any of its libraries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from earshot import __version__
from earshot.errors import BadSettings, DeliveryFailed
from earshot.events import DetectionAlert

from ingest.events import UnknownEvent
from ingest.failures import noted
from ingest.telemetry import formatter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from earshot.letters import Failures

logger = logging.getLogger(__name__)

# Below the function's time-out: a receiver that says nothing is a failure with a reason.
TIMEOUT = urllib3.Timeout(total=20.0, connect=5.0)
TYPE = "detection.alert"
SECRET = "whsec_"
# As the specification has it.
SECRET_BYTES = (24, 64)
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Of what a receiver answers, for the reason of a failure.
TOLD_BYTES = 300


@dataclass(frozen=True)
class Destination:
    """Where alerts are delivered; ``key`` is what they are signed with."""

    url: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, url: str, secret: str) -> Destination:
        """The destination of an address and a secret ``whsec_…``; raises BadSettings.

        The address must be https; on this machine itself http will do.
        """
        address = urlsplit(url)
        safe = ("https", "http") if address.hostname in LOOPBACK else ("https",)
        if address.scheme not in safe or not address.hostname:
            raise BadSettings("The webhook's address must begin with https:// and name a host.")
        try:
            key = base64.b64decode(secret.removeprefix(SECRET), validate=True)
        except binascii.Error:
            key = b""
        least, most = SECRET_BYTES
        if not secret.startswith(SECRET) or not least <= len(key) <= most:
            raise BadSettings(
                f"The webhook's secret must be {SECRET} and {least} to {most} bytes in base64: "
                f"echo {SECRET}$(openssl rand -base64 32)"
            )
        return cls(url, key)


class Courier:
    """Delivers alerts to one destination, an attempt at a time."""

    def __init__(self, destination: Destination, clock: Callable[[], float] = time.time) -> None:
        self._destination = destination
        self._clock = clock
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def deliver(self, alert: Mapping[str, Any]) -> None:
        """Send an alert; raises DeliveryFailed unless the receiver answers 2xx.

        Redirections are not followed: whoever may answer for an address may not choose another.
        """
        content = {"type": TYPE, "timestamp": alert["raised_at"], "data": alert}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        at = int(self._clock())
        headers = {
            "content-type": "application/json",
            "user-agent": f"earshot/{__version__}",
            "webhook-id": alert["alert"],
            "webhook-timestamp": str(at),
            "webhook-signature": signature(self._destination.key, alert["alert"], at, body),
        }
        try:
            answer = self._pool.request(
                "POST",
                self._destination.url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(TOLD_BYTES, decode_content=False)
            finally:
                # The rest is nobody's business, however long it is.
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise DeliveryFailed(f"The receiver cannot be reached: {_words(error)}") from error
        if not 200 <= answer.status < 300:
            words = said.decode(errors="replace").strip()
            raise DeliveryFailed(f"The receiver answered {answer.status}: {words or 'nothing'}")


def signature(key: bytes, message_id: str, at: int, body: bytes) -> str:
    """The header ``webhook-signature`` of a message sent ``at`` so many seconds of Unix time."""
    signed = b".".join((message_id.encode(), str(at).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def alert_of(body: str) -> dict[str, Any]:
    """The alert that a queue message tells of; raises UnknownEvent."""
    try:
        content: object = json.loads(body)
    except ValueError:
        content = None
    match content:
        case {
            "detail-type": DetectionAlert.name,
            "detail": {"alert": str(), "raised_at": str()} as alert,
        }:
            return dict(alert)
    raise UnknownEvent(f"Not an alert: {body[:500]}")


def deliverer(
    courier: Courier, failures: Failures, counts: Counter[str]
) -> Callable[[SQSRecord], None]:
    """A record handler that delivers alerts; raises what the queue has to try again."""

    def deliver(record: SQSRecord) -> None:
        formatter.thread_safe_append_keys(correlation_id=record.message_id)
        with noted(record, failures, counts):
            alert = alert_of(record.body)
            courier.deliver(alert)
        counts["AlertsDelivered"] += 1
        logger.info("alert delivered", extra={"alert": alert["alert"]})

    return deliver


def _words(error: Exception) -> str:
    """What urllib3 says, without the object that it says it of."""
    return re.sub(r"^<[^>]*>: |HTTPS?Connection\([^)]*\): ?", "", str(error)) or repr(error)
