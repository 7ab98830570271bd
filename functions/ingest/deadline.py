"""How long an invocation may go on with what can be left to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from earshot.field.listening import always

if TYPE_CHECKING:
    from collections.abc import Callable

# Kept for what cannot be cut: the end of one part, writing what was found, the batch's others.
MARGIN_MS = 60_000


class Context(Protocol):
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """The milliseconds until Lambda ends it."""
        ...


def goes_on(context: Context | None) -> Callable[[], bool]:
    """Whether there is time to begin something; always, where nobody counts it."""
    if context is None:
        return always
    return lambda: context.get_remaining_time_in_millis() > MARGIN_MS
