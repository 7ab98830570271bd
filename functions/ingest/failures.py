"""Messages that fail: the reason is logged, counted, and kept for the dead letters."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from earshot.errors import EarshotError
from earshot.letters import Failure
from earshot.moments import now

from ingest.events import UnknownEvent

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from earshot.letters import Failures

logger = logging.getLogger(__name__)

# What may go wrong with the world and its messages; anything else is a fault of ours.
EXPECTED = (UnknownEvent, EarshotError, ClientError, BotoCoreError)


@contextmanager
def noted(record: SQSRecord, failures: Failures, counts: Counter[str]) -> Iterator[None]:
    """Let a message fail, for the queue to bring it again, but say why.

    If it ends as a dead letter, nothing else will.
    """
    try:
        yield
    except Exception as error:
        code, reason = getattr(error, "code", type(error).__name__), str(error) or repr(error)
        if isinstance(error, EXPECTED):
            logger.error("message failed", extra={"code": code, "reason": reason})
        else:
            logger.exception("message failed unexpectedly")
        counts["Failed"] += 1
        tries = int(record.attributes.approximate_receive_count)
        try:
            failures.note(Failure(record.message_id, code, reason, tries, now()))
        except (ClientError, BotoCoreError):
            # The message comes again all the same.
            logger.exception("a failure could not be noted")
        raise
