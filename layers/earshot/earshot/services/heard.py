"""What a recording amounts to once it is heard: detections, doubts, and the clips of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from earshot import clips
from earshot.clips import Clip
from earshot.detections import doubts, summarise
from earshot.recording import Occurrence, Review, later, now, object_id
from earshot.results import CLIPS

if TYPE_CHECKING:
    from earshot.audio.streams import Stream
    from earshot.bundle import ModelCard
    from earshot.detector import Hearing
    from earshot.recording import Detection, Detections, Doubt, FieldRecording

# Of one recording, those of the surest detections: a night of rain must not fill the bucket.
MOST_CLIPS = 200


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording, its sound, and what a model made of it.

    ``background`` is the label that makes no detections; ``digest`` tells this content and this
    model from others.
    """

    record: FieldRecording
    stream: Stream
    card: ModelCard
    hearing: Hearing
    background: str | None
    digest: str

    @cached_property
    def detections(self) -> Detections:
        """What was detected; the surest have clips."""
        record = self.record
        found = summarise(
            self.hearing,
            self.card,
            recording=record.recording,
            key=record.key,
            site=record.site,
            sample_rate=self.stream.sample_rate,
            duration_s=self.stream.duration_s,
            started_at=record.notes.started_at if record.notes else None,
            background=self.background,
        )
        surest = set(sorted(found.detections, key=lambda one: -one.peak_confidence)[:MOST_CLIPS])
        with_clips = (
            replace(one, clip=self._around(one).name) if one in surest else one
            for one in found.detections
        )
        return replace(found, detections=tuple(with_clips))

    @property
    def occurrences(self) -> list[Occurrence]:
        """The detections, each with all that tells it from those of other recordings."""
        found = self.detections
        return [
            Occurrence(
                recording=found.recording,
                key=found.key,
                site=found.site,
                model_version=found.model_version,
                at=found.time_of(one) or later(self.record.received_at, one.start_s),
                started_at=found.time_of(one),
                detection=one,
            )
            for one in found.detections
        ]

    @property
    def reviews(self) -> list[Review]:
        """What a person is to be asked."""
        record = self.record
        reviews = []
        for doubt in self._doubts:
            clip = f"{CLIPS}{record.recording}/{self._of(doubt).name}"
            reviews.append(
                Review(
                    review=object_id(clip),
                    recording=record.recording,
                    key=record.key,
                    site=record.site,
                    doubt=doubt,
                    clip=clip,
                    model_version=self.card.version,
                    queued_at=now(),
                )
            )
        return reviews

    @property
    def clips(self) -> list[Clip]:
        """The clips of all of these, in the order of time."""
        wanted = {self._around(one) for one in self.detections.detections if one.clip}
        wanted |= {self._of(doubt) for doubt in self._doubts}
        return sorted(wanted, key=lambda clip: (clip.start_s, clip.name))

    def cut(self, clip: Clip) -> bytes:
        """A clip's own audio, mono, 16-bit, at the recording's rate."""
        rate = self.stream.sample_rate
        samples = self.stream.read(round(clip.start_s * rate), round(clip.end_s * rate))
        return clips.encode(samples, rate, clip.name)

    @cached_property
    def _doubts(self) -> tuple[Doubt, ...]:
        return doubts(self.hearing, self.card, self.stream.duration_s)

    def _around(self, one: Detection) -> Clip:
        stream = self.stream
        return clips.around(
            one.peak_s, self.card.window_s, stream.duration_s, stream.sample_rate, self.digest
        )

    def _of(self, doubt: Doubt) -> Clip:
        """A doubt's own window, no more, for it may become a sample; as WAV, as samples are."""
        name = clips.name(self.digest, doubt.start_s, doubt.end_s, ".wav")
        return Clip(name, doubt.start_s, doubt.end_s)
