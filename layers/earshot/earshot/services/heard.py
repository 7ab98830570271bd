"""What a recording amounts to once it is heard: detections, doubts, and the clips of both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from earshot.audio.streams import resampled
from earshot.drift.answers import draw
from earshot.field import clips
from earshot.field.clips import Clip
from earshot.field.detections import doubt, doubts, summarise
from earshot.field.results import CLIPS
from earshot.moments import later, moment, now
from earshot.recording import Observation, Occurrence, Review, object_id
from earshot.search.vectors import Stretch, Vectors

if TYPE_CHECKING:
    from earshot.audio.streams import Stream
    from earshot.bundle import ModelCard
    from earshot.detector import Detector, Hearing
    from earshot.recording import Detection, Detections, Doubt, FieldRecording

# Of one recording, those of the surest detections: a night of rain must not fill the bucket.
MOST_CLIPS = 200


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording, its sound, and what a model made of it.

    ``background`` is the label that makes no detections; ``digest`` tells this content and this
    model from others. ``disagreements`` are asked about before other doubts,
    ``counted`` is what a challenger is compared by.
    """

    record: FieldRecording
    stream: Stream
    card: ModelCard
    hearing: Hearing
    background: str | None
    digest: str
    disagreements: tuple[Doubt, ...] = ()
    counted: dict[str, int] = field(default_factory=dict)

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
    def observations(self) -> list[Observation]:
        """What was heard, as far as it is independent: one window of each label and hour."""
        record = self.record
        notes = record.notes
        # A clock that is ahead would hide what comes when it is put right: it is not believed.
        told = (notes and notes.started_at) or record.received_at
        began = datetime.fromisoformat(min(told, record.received_at))
        hours = ((began.timestamp() + self.hearing.starts) // 3600).astype(np.int64)
        return [
            Observation(moment(3600 * int(hours[at])), answer.label, self.card.version, answer)
            for at, answer in draw(self.hearing, self.card, self.digest, hours)
        ]

    @property
    def reviews(self) -> list[Review]:
        """What a person is to be asked."""
        record, version = self.record, self.card.version
        return [
            question(one, record.recording, record.key, record.site, self.digest, version)
            for one in self._doubts
        ]

    @property
    def clips(self) -> list[Clip]:
        """The clips of all of these, in the order of time."""
        wanted = {self._around(one) for one in self.detections.detections if one.clip}
        wanted |= {self._of(one) for one in self._doubts}
        return sorted(wanted, key=lambda clip: (clip.start_s, clip.name))

    @property
    def stretches(self) -> list[Stretch]:
        """What can be found again by its sound: windows that are detected or doubted.

        Of detections, those that have a clip; in the order of time.
        """
        found = {
            one.peak_s: Stretch(
                one.peak_s,
                round(min(one.peak_s + self.card.window_s, self.stream.duration_s), 3),
                one.label,
                one.peak_confidence,
                one.clip,
            )
            for one in self.detections.detections
            if one.clip
        }
        for review in self.reviews:
            doubt, clip = review.doubt, review.clip.rpartition("/")[2]
            known = found.get(doubt.start_s) or Stretch(
                doubt.start_s, doubt.end_s, doubt.label, doubt.confidence, clip
            )
            found[doubt.start_s] = replace(known, review=review.review)
        return [found[start_s] for start_s in sorted(found)]

    def vectors(self, detector: Detector) -> Vectors:
        """The embeddings of the stretches: their windows are heard again, as none were kept."""
        rate = self.card.sample_rate
        heard, window = resampled(self.stream, rate), round(self.card.window_s * rate)
        stretches = self.stretches
        values = [
            # The stream knows its end: the only window of a short recording is shorter.
            detector.run(heard.read(at, at + window)[np.newaxis])[1][0]
            for at in (round(one.start_s * rate) for one in stretches)
        ]
        record = self.record
        return Vectors.of_recording(
            record.recording, record.site, self.digest, stretches, np.array(values, np.float32)
        )

    def cut(self, clip: Clip) -> bytes:
        """A clip's own audio, mono, 16-bit, at the recording's rate."""
        rate = self.stream.sample_rate
        samples = self.stream.read(round(clip.start_s * rate), round(clip.end_s * rate))
        return clips.encode(samples, rate, clip.name)

    def most_novel_first(self) -> Heard:
        """The same of a site that drifts: its most novel window is asked about in any case."""
        at = int(self.hearing.novelty.argmax())
        one = doubt(self.hearing, self.card, self.stream.duration_s, at, "drift")
        if any(one.start_s < d.end_s and d.start_s < one.end_s for d in self.disagreements):
            return self
        return replace(self, disagreements=(*self.disagreements, one))

    @cached_property
    def _doubts(self) -> tuple[Doubt, ...]:
        return doubts(self.hearing, self.card, self.stream.duration_s, self.disagreements)

    def _around(self, one: Detection) -> Clip:
        stream = self.stream
        return clips.around(
            one.peak_s, self.card.window_s, stream.duration_s, stream.sample_rate, self.digest
        )

    def _of(self, doubt: Doubt) -> Clip:
        return Clip(_name_of(doubt, self.digest), doubt.start_s, doubt.end_s)


def question(
    doubt: Doubt, recording: str, key: str, site: str, digest: str, version: str
) -> Review:
    """What a person is asked about a doubt of the model ``version``.

    ``recording`` and ``key`` name what it is of; ``digest`` tells its content from others.
    """
    clip = f"{CLIPS}{recording}/{_name_of(doubt, digest)}"
    return Review(
        review=object_id(clip),
        recording=recording,
        key=key,
        site=site,
        doubt=doubt,
        clip=clip,
        model_version=version,
        queued_at=now(),
    )


def _name_of(doubt: Doubt, digest: str) -> str:
    """Of its own window, no more, for it may become a sample; as WAV, as samples are."""
    return clips.name(digest, doubt.start_s, doubt.end_s, ".wav")
