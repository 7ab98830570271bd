"""The review queue: a person listens to what the model was unsure of, and says what it is.

What is confirmed or corrected becomes a sample like any other, counted when its own event comes
in. Its folder names the recording, so that no split divides one. A verdict that is taken back
takes its sample along, in the same way.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from earshot.errors import ReviewConflict
from earshot.moments import now
from earshot.names import plain_name
from earshot.recording import TakenBack
from earshot.store import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Collection

    from earshot.application import Application
    from earshot.field.results import Results
    from earshot.recording import Review, Verdict
    from earshot.review.docket import Docket
    from earshot.store import Store

# So much a review's record has room for.
MOST_UNDONE = 100
# As ``_sample_key`` writes them: ids are object_id's sixteen hex digits.
_REVIEWED = re.compile(
    re.escape(SAMPLES) + r"[^/]+/[0-9a-f]{16}/\d{5,}\.\d{3}-\d{5,}\.\d{3}-[0-9a-f]{16}(-\d+)?\.wav"
)


class ReviewQueue:
    """Who is asked what, and what comes of the answers."""

    def __init__(
        self, docket: Docket, store: Store, results: Results, application: Application
    ) -> None:
        self._docket = docket
        self._store = store
        self._results = results
        self._application = application

    def waiting(
        self, limit: int, site: str | None = None, label: str | None = None
    ) -> list[Review]:
        """Up to a hundred that wait for a person, those that teach most first; see ``ranking``.

        Of one ``site``, or guessed to be of one ``label``, if that is asked for. Those of a site
        that is favoured say ``drift`` for their reason, as long as it is.
        """
        favoured = self._docket.favoured()
        waiting = self._docket.waiting(limit, favoured, site, label)
        return [_drifting(one) if one.site in favoured else one for one in waiting]

    def favour(self, sites: Collection[str]) -> None:
        """Let what waits of these sites come first from now on, and of no others."""
        self._docket.favour(sites)

    def reviewed(self) -> dict[Verdict, int]:
        """How many verdicts of each kind stand."""
        return self._docket.reviewed()

    def clip(self, review: str) -> bytes:
        """The stretch's audio, a WAV file; raises ReviewNotFound or ClipNotFound."""
        return self._results.clip(self._docket.review(review).clip)

    def decide(self, review: str, verdict: Verdict, label: str | None, by: str) -> Review:
        """Record what a person said, and make it a sample unless it was rejected.

        ``label`` is the right one, of a ``correct``. The verdict comes first, the sample next, the
        way out of the queue last: what a crash left half done stays in the queue, and the same
        call again does the rest. The same verdict again changes nothing.

        Raises ReviewNotFound, ReviewConflict when there is another verdict or this one was taken
        back meanwhile, BadKey or UnknownLabel for a label that no sample could have, and
        ClipNotFound.
        """
        asked = self._docket.review(review)
        named = None
        if verdict != "reject":
            named = plain_name(asked.doubt.label if label is None else label, "a label")
            self._application.check_label(named)
        if asked.verdict is None:
            decided = self._decided(asked, verdict, named, by)
            asked = decided if self._docket.decide(decided) else self._docket.review(review)
        # Correcting a guess to itself is confirming it.
        if asked.verdict is None or asked.reviewed_label != named:
            raise _conflict(asked)
        if self._docket.is_waiting(asked):
            self._carry_out(asked)
        return asked

    def undo(self, review: str, reviewed_at: str | None, by: str) -> Review:
        """Take a verdict back: its sample goes, and the stretch waits for a person again.

        That is the verdict of ``reviewed_at``, or else the one that stands. What is recorded is
        recorded in one piece, and the sample's object is deleted next: the same call again does
        the rest, as does the next verdict. The sample is counted until the event of that comes in.
        A verdict that was taken back stays so: the same call again changes nothing more.

        Raises ReviewNotFound, and ReviewConflict when there is no such verdict.
        """
        asked = self._docket.review(review)
        if asked.verdict and reviewed_at in (None, asked.reviewed_at):
            undone = _undone(asked, by)
            taken = self._docket.take_back(asked, undone)
            asked = undone if taken else self._docket.review(review)
        named = [one for one in asked.history if reviewed_at in (None, one.reviewed_at)]
        if not named or (asked.verdict and reviewed_at is None):
            raise _conflict(asked)
        self._forget_sample(named[-1].sample)
        return asked

    def _carry_out(self, decided: Review) -> None:
        """Make the sample of a verdict, and of no earlier one; then close the review."""
        for earlier in decided.history:
            self._forget_sample(earlier.sample)
        if decided.sample:
            clip = self._results.clip(decided.clip)
            self._store.write([(decided.sample, len(clip), io.BytesIO(clip))])
        if not self._docket.close(decided):
            self._forget_sample(decided.sample)
            raise _conflict(self._docket.review(decided.review))

    def _forget_sample(self, key: str | None) -> None:
        # Each verdict has a key of its own: nobody's later sample is lost by this.
        if key:
            self._store.remove(key)

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


def _drifting(asked: Review) -> Review:
    """The review, asked for because of its site, unless models disagree on it."""
    if asked.doubt.reason == "disagreement":
        return asked
    return replace(asked, doubt=replace(asked.doubt, reason="drift"))


def _undone(asked: Review, by: str) -> Review:
    """The review without its verdict, which its history keeps."""
    if len(asked.history) == MOST_UNDONE:
        raise ReviewConflict(
            f"{asked.review} was taken back {MOST_UNDONE} times; what it says now stands."
        )
    assert asked.verdict
    assert asked.reviewed_by
    assert asked.reviewed_at
    taken = TakenBack(
        verdict=asked.verdict,
        reviewed_label=asked.reviewed_label,
        sample=asked.sample,
        reviewed_by=asked.reviewed_by,
        reviewed_at=asked.reviewed_at,
        undone_by=by,
        undone_at=now(),
    )
    return replace(
        asked,
        verdict=None,
        reviewed_label=None,
        sample=None,
        reviewed_by=None,
        reviewed_at=None,
        history=(*asked.history, taken),
    )


def _conflict(asked: Review) -> ReviewConflict:
    """What stands instead of what was asked for."""
    if asked.verdict:
        stands = (
            f"was reviewed by {asked.reviewed_by} at {asked.reviewed_at}: "
            f"{asked.reviewed_label or 'rejected'}. That stands; nothing was changed."
        )
    elif asked.history:
        last = asked.history[-1]
        stands = f"waits again: {last.undone_by} took its verdict back at {last.undone_at}."
    else:
        stands = "has no verdict yet."
    return ReviewConflict(f"{asked.review} {stands}")


def _sample_key(asked: Review, label: str) -> str:
    doubt = asked.doubt
    again = f"-{len(asked.history) + 1}" if asked.history else ""
    name = f"{doubt.start_s:09.3f}-{doubt.end_s:09.3f}-{asked.review}{again}.wav"
    return f"{SAMPLES}{label}/{asked.recording}/{name}"


def is_reviewed(sample: str) -> bool:
    """Whether a sample came from the review queue, by its key; nobody else names one so."""
    return _REVIEWED.fullmatch(sample) is not None
