"""The predict function's app, but for the write of each prediction to the table.

What HTTP, the log and the metrics cost: the others keep no books either.
"""

from __future__ import annotations

from earshot.statistics import Statistics

from infra.local.api import main


def _count(*_: object) -> None:
    """Write nothing."""


if __name__ == "__main__":
    Statistics.count = _count  # type: ignore[method-assign]
    main()
