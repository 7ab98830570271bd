"""What EventBridge would do for a function that the clock calls: call it.

``python -m infra.local.sweep --handler ingest.sweep.handler --every 30`` calls it again and again;
with ``--event``, some JSON, once with that.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
import uuid
from typing import TYPE_CHECKING, Any

from earshot.moments import now

from infra.local.endpoint import end_with_parent
from infra.local.poller import TIMEOUT_S, Context, load

if TYPE_CHECKING:
    from infra.local.poller import Handler

log = logging.getLogger(__name__)


def invoke(handler: Handler, event: dict[str, Any], timeout_s: float = TIMEOUT_S) -> bool:
    """Call a handler with one event; False when it failed, which is logged."""
    try:
        handler(event, Context(handler.__module__.partition(".")[0], timeout_s))
    except Exception:
        log.exception("The handler failed.")
        return False
    return True


def tick() -> dict[str, Any]:
    """The event that a schedule sends."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": now(),
        "detail": {},
    }


def main() -> int:
    """Read the command line, and call until SIGTERM or SIGINT, or once."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.sweep")
    parser.add_argument("--handler", required=True, help="package.module.function")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--every", type=float, help="seconds")
    how.add_argument("--event", type=json.loads, help="call it once, with this")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds it may take")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    handler = load(options.handler)
    if options.event is not None:
        return 0 if invoke(handler, options.event, options.timeout) else 1
    if options.with_parent:
        end_with_parent()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(options.every):
        invoke(handler, tick(), options.timeout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
