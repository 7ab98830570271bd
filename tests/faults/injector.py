"""Faults between Earshot and AWS, put in where botocore makes its calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Any, Literal

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

# before: the call never reaches AWS. busy: AWS answers 503 and does nothing. lost: the call has its
# effect, its answer does not come back. resent: so, and botocore sends the call again. killed,
# killed-after: the process ends before or after the effect, as by SIGKILL: nothing is cleaned up.
# crashed, crashed-after stand for these in the tests' own process.
Fault = Literal[
    "before", "busy", "lost", "resent", "killed", "killed-after", "crashed", "crashed-after"
]
FAULTS: tuple[Fault, ...] = ("before", "busy", "lost", "resent", "killed", "killed-after")
DEADLY: tuple[Fault, ...] = ("killed", "killed-after")

KILLED = 137


class Crash(BaseException):
    """The process ends here: nothing catches it."""


class Injector:
    """Counts the calls of every client that it watches, and makes one of them fail.

    ``calls`` names them in their order. The ``at``-th (from 0) meets ``fault``; None meets none.
    """

    def __init__(self, at: int | None = None, fault: Fault | None = None) -> None:
        self.calls: list[str] = []
        self._at = at
        self._fault = fault
        self._lock = Lock()

    def watching(self, client: Callable[..., Any]) -> Callable[..., Any]:
        """The same factory of clients, each of them watched."""

        def watched(service: str, **options: Any) -> Any:
            made = client(service, **options)
            made.meta.events.register_first("before-call", self._before)
            made.meta.events.register_first("after-call", self._after)
            made.meta.events.register_first("needs-retry", self._needs_retry)
            return made

        return watched

    def _before(self, model: Any, context: dict[str, Any], **_: Any) -> None:
        with self._lock:
            context["number"] = len(self.calls)
            self.calls.append(f"{model.service_model.service_name}:{model.name}")
        if context["number"] == self._at:
            if self._fault == "killed":
                os._exit(KILLED)
            if self._fault == "crashed":
                raise Crash
            if self._fault == "before":
                raise EndpointConnectionError(endpoint_url="https://nowhere.test")
            if self._fault == "busy":
                answer: Any = {
                    "Error": {"Code": "ServiceUnavailable", "Message": "Try again."},
                    "ResponseMetadata": {"HTTPStatusCode": 503},
                }
                raise ClientError(answer, model.name)

    def _after(self, context: dict[str, Any], **_: Any) -> None:
        if context.get("number") == self._at:
            if self._fault == "killed-after":
                os._exit(KILLED)
            if self._fault == "crashed-after":
                raise Crash
            if self._fault == "lost":
                raise ReadTimeoutError(endpoint_url="https://nowhere.test")

    def _needs_retry(self, request_dict: dict[str, Any], attempts: int, **_: Any) -> int | None:
        """As if the first answer had not come: send again, after 0 s; None leaves it as it is."""
        met = request_dict["context"].get("number") == self._at
        return 0 if met and self._fault == "resent" and attempts == 1 else None
