"""A sound that was sent to the API, put to people: what a field recording is asked about, of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.audio import decode
from earshot.drift.observations import ASKED
from earshot.field import clips
from earshot.field.detections import doubt, doubts
from earshot.recording import object_id
from earshot.services.heard import question
from earshot.serving import heard_at_once

if TYPE_CHECKING:
    from earshot.bundle import ModelCard
    from earshot.detector import Hearing
    from earshot.field.results import Results
    from earshot.recording import Doubt, Review, Waveform
    from earshot.review.docket import Docket
    from earshot.serving import Serving


class Questions:
    """Queues stretches of sounds that are no recordings, and keeps the audio of no others."""

    def __init__(self, docket: Docket, results: Results, serving: Serving) -> None:
        self._docket = docket
        self._results = results
        self._serving = serving

    def ask(self, data: bytes) -> list[Review]:
        """Let people say what a sound is: the reviews of its doubtful windows, or least sure one.

        Safe to repeat: a window of the same content is asked about once, whatever became of it.
        Raises BadRecording and NoModel.
        """
        with heard_at_once:
            detector, waveform = self._serving.detector(), decode(data)
            hearing = detector.hear(waveform)
        sha256 = waveform.sha256
        recording = object_id(f"{ASKED}/{sha256}")
        asked = []
        for one in _doubts(hearing, detector.card, waveform.duration_s):
            review = question(one, recording, ASKED, ASKED, sha256[:12], detector.card.version)
            # First, so that whatever waits can be listened to.
            self._results.keep(
                review.clip, _cut(waveform, one, review.clip), clips.media_type(review.clip)
            )
            asked.append(self._docket.ask(review))
        return asked


def _doubts(hearing: Hearing, card: ModelCard, duration_s: float) -> tuple[Doubt, ...]:
    """What is doubtful; who asks of a sound that the model is sure of has doubts of his own."""
    least = int(hearing.probabilities.max(axis=1).argmin())
    found = doubts(hearing, card, duration_s)
    return found or (doubt(hearing, card, duration_s, least),)


def _cut(waveform: Waveform, one: Doubt, name: str) -> bytes:
    rate = waveform.sample_rate
    samples = waveform.samples[round(one.start_s * rate) : round(one.end_s * rate)]
    return clips.encode(samples, rate, name)
