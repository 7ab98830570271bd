"""The review queue: a person listens to what the model was unsure of, and says what it is.

What is confirmed or corrected becomes a sample like any other, counted when its own event comes
in. Its folder names the recording, so that no split divides one.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from earshot.errors import ReviewConflict
from earshot.names import plain_name
from earshot.recording import now
from earshot.store import SAMPLES

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.logbook import Logbook
    from earshot.recording import Review, Verdict
    from earshot.results import Results
    from earshot.store import Store


class ReviewQueue:
    """Who is asked what, and what comes of the answers."""

    def __init__(
        self, logbook: Logbook, store: Store, results: Results, application: Application
    ) -> None:
        self._logbook = logbook
        self._store = store
        self._results = results
        self._application = application

    def waiting(self, limit: int) -> list[Review]:
        """What waits for a person, the least certain first."""
        return self._logbook.reviews(limit)

    def clip(self, review: str) -> bytes:
        """The stretch's audio, a WAV file; raises ReviewNotFound or ClipNotFound."""
        return self._results.clip(self._logbook.review(review).clip)

    def decide(self, review: str, verdict: Verdict, label: str | None, by: str) -> Review:
        """Record what a person said, and make it a sample unless it was rejected.

        ``label`` is the right one, of a ``correct``. The verdict comes first, the sample next, the
        way out of the queue last: what a crash left half done stays in the queue, and the same
        call again does the rest. The same verdict again changes nothing.

        Raises ReviewNotFound, ReviewConflict when there is another verdict, BadKey or UnknownLabel
        for a label that no sample could have, and ClipNotFound.
        """
        asked = self._logbook.review(review)
        named = None
        if verdict != "reject":
            named = plain_name(asked.doubt.label if label is None else label, "a label")
            self._application.check_label(named)
        if asked.verdict is None:
            decided = self._decided(asked, verdict, named, by)
            asked = decided if self._logbook.decide(decided) else self._logbook.review(review)
        # Correcting a guess to itself is confirming it.
        if asked.reviewed_label != named:
            raise ReviewConflict(
                f"{review} was reviewed by {asked.reviewed_by} at {asked.reviewed_at}: "
                f"{asked.reviewed_label or 'rejected'}. That stands; nothing was changed."
            )
        if self._logbook.is_waiting(asked):
            if asked.sample:
                clip = self._results.clip(asked.clip)
                self._store.write([(asked.sample, len(clip), io.BytesIO(clip))])
            self._logbook.close(asked)
        return asked

    def _decided(self, asked: Review, verdict: Verdict, named: str | None, by: str) -> Review:
        """The review with its verdict; raises ClipNotFound when there is nothing to learn."""
        sample = None
        if named is not None:
            self._results.clip(asked.clip)
            sample = _sample_key(asked, named)
        return replace(
            asked,
            verdict=verdict,
            reviewed_label=named,
            sample=sample,
            reviewed_by=by,
            reviewed_at=now(),
        )


def _sample_key(asked: Review, label: str) -> str:
    doubt = asked.doubt
    name = f"{doubt.start_s:09.3f}-{doubt.end_s:09.3f}-{asked.review}.wav"
    return f"{SAMPLES}{label}/{asked.recording}/{name}"
