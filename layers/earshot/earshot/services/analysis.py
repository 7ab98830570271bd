"""Recordings from the field: what is detected in them, and what is doubtful, kept for asking."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import soundfile

from earshot.audio import MAX_DURATION_S, decode
from earshot.detections import detect, doubts
from earshot.errors import (
    BadKey,
    BadRecording,
    NoModel,
    NotAnalysed,
    RecordingTooLarge,
    RecordingTooLong,
)
from earshot.formats import from_json, to_json
from earshot.recording import Detections, Review, now
from earshot.results import RESULTS
from earshot.store import MAX_SAMPLE_BYTES, RECORDINGS

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.logbook import Logbook
    from earshot.recording import Doubt, FieldRecording, Waveform
    from earshot.results import Results
    from earshot.serving import Serving
    from earshot.store import Store, Stored

CLIP_TYPE = "audio/wav"


class Analysis:
    """Hears recordings and keeps what was found.

    Results lie under ``results/<recording>/<digest>/``, the digest that of the object's content
    and of the model: they are written first, and the record then points to them. So what is
    listed is whole, whoever dies when, and a repetition writes what is there.
    """

    def __init__(
        self,
        logbook: Logbook,
        store: Store,
        results: Results,
        serving: Serving,
        application: Application,
    ) -> None:
        self._logbook = logbook
        self._store = store
        self._results = results
        self._serving = serving
        self._background = application.silence_label

    def receive(self, key: str) -> FieldRecording:
        """Note a recording and analyse it, unless that was done; answers how far it is.

        While there is no model it waits. Raises BadKey, and what makes a recording unusable:
        BadRecording or RecordingTooLarge, which its record then tells as well.
        """
        site, _, name = key.removeprefix(RECORDINGS).partition("/")
        if not site or not name:
            raise BadKey(f"{key!r} names no site: put it at {RECORDINGS}<site>/<file>.")
        stored = self._store.find(key)
        record = self._logbook.note(key, site, stored.size, stored.version)
        if record.state == "analysed":
            return record
        try:
            return self._analyse(record, stored)
        except NoModel as error:
            waiting = replace(record, code=error.code, reason=str(error))
            self._logbook.hold(waiting)
            return waiting
        except (BadRecording, RecordingTooLarge) as error:
            self._logbook.hold(replace(record, state="refused", code=error.code, reason=str(error)))
            raise

    def total(self) -> int:
        """How many recordings came in."""
        return self._logbook.total()

    def recordings(
        self, site: str | None, limit: int, before: str = ""
    ) -> tuple[list[FieldRecording], str | None]:
        """Recordings, the latest first, and where the next page starts; see ``Logbook``."""
        return self._logbook.recordings(site, limit, before)

    def recording(self, recording: str) -> FieldRecording:
        """One recording; raises RecordingNotFound."""
        return self._logbook.recording(recording)

    def detections(self, recording: str) -> Detections:
        """What was detected in a recording.

        Raises RecordingNotFound, NotAnalysed while it waits or when it is refused, and
        ResultsNotFound.
        """
        record = self._logbook.recording(recording)
        if record.results is None:
            why = record.reason or "It came in a moment ago: ask again."
            raise NotAnalysed(f"{record.key} is {record.state}, not analysed. {why}")
        return from_json(self._results.read(record.results))

    def _analyse(self, record: FieldRecording, stored: Stored) -> FieldRecording:
        waveform = self._decode(stored)
        detector = self._serving.detector()
        card = detector.card
        try:
            hearing = detector.hear(waveform)
        except RecordingTooLong as error:
            raise _too_long(stored.key) from error
        found = Detections(
            recording=record.recording,
            key=record.key,
            site=record.site,
            duration_s=round(waveform.duration_s, 3),
            high_hz=min(waveform.sample_rate, card.sample_rate) / 2,
            model_version=card.version,
            labels=card.labels,
            background=self._background,
            detections=detect(hearing, card, waveform.duration_s, self._background),
        )
        digest = hashlib.sha256(f"{stored.version}\n{card.version}".encode()).hexdigest()[:12]
        folder = f"{RESULTS}{record.recording}/{digest}/"
        reviews = []
        for doubt in doubts(hearing, card, waveform.duration_s):
            clip = f"{folder}clips/{doubt.start_s:.3f}-{doubt.end_s:.3f}.wav"
            self._results.keep(clip, _cut(waveform, doubt), CLIP_TYPE)
            reviews.append(
                Review(
                    review=hashlib.sha256(clip.encode()).hexdigest()[:16],
                    recording=record.recording,
                    key=record.key,
                    site=record.site,
                    doubt=doubt,
                    clip=clip,
                    model_version=card.version,
                    queued_at=now(),
                )
            )
        results = f"{folder}detections.json"
        self._results.keep(results, to_json(found).encode(), "application/json")
        analysed = replace(
            record,
            state="analysed",
            code=None,
            reason=None,
            analysed_at=now(),
            duration_s=found.duration_s,
            model_version=card.version,
            results=results,
            detections=dict(Counter(one.label for one in found.detections)),
        )
        return self._logbook.finish(analysed, reviews)

    def _decode(self, stored: Stored) -> Waveform:
        """The object's sound, whole; raises BadRecording or RecordingTooLarge."""
        if stored.size > MAX_SAMPLE_BYTES:
            raise RecordingTooLarge(
                f"{stored.key} has {stored.size} bytes; a recording may have {MAX_SAMPLE_BYTES} "
                "for now. Cut it into parts."
            )
        data = self._store.read_range(stored, 0, stored.size) if stored.size else b""
        try:
            return decode(data)
        except RecordingTooLong as error:
            raise _too_long(stored.key) from error


def _too_long(key: str) -> RecordingTooLong:
    return RecordingTooLong(
        f"{key} is too long to be analysed at once: up to {MAX_DURATION_S / 60:.0f} minutes are, "
        "fewer at rates above 96 kHz. Cut it into parts."
    )


def _cut(waveform: Waveform, doubt: Doubt) -> bytes:
    """The stretch's own audio, mono at the recording's rate, as 16-bit WAV.

    Not FLAC, whose streams do not take every rate: 96,001 Hz is none.
    """
    start, end = (round(at * waveform.sample_rate) for at in (doubt.start_s, doubt.end_s))
    file = io.BytesIO()
    samples = waveform.samples[start:end]
    soundfile.write(file, samples, waveform.sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
