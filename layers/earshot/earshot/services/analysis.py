"""Recordings from the field: what is detected in them, and what is doubtful, kept for asking."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from earshot.audio.fieldnotes import read_notes
from earshot.audio.streams import opened
from earshot.errors import (
    BadBundle,
    BadKey,
    BadRecording,
    ModelNotFound,
    NoModel,
    NotAnalysed,
    RecordingTooLarge,
)
from earshot.events import AnalysisContinues
from earshot.field import clips
from earshot.field.formats import FORMATS, from_json
from earshot.field.listening import always, listen
from earshot.field.results import CLIPS, PARTS, RESULTS
from earshot.moments import now
from earshot.services.heard import Heard
from earshot.services.opinion import asked
from earshot.store import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.application import Application
    from earshot.detector import Detector
    from earshot.drift.log import DriftLog
    from earshot.drift.observations import Observations
    from earshot.events import Publisher
    from earshot.field.chronicle import Chronicle
    from earshot.field.logbook import Logbook
    from earshot.field.results import Results
    from earshot.recording import Detections, FieldRecording
    from earshot.search.vectors import VectorStore
    from earshot.services.alerts import Alerts
    from earshot.serving import Serving
    from earshot.store import Store, Stored

logger = logging.getLogger(__name__)

# How often it is written down how far a recording is.
TELL_S = 10.0
PARTS_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Analysis:
    """Hears recordings of any length and keeps what was found.

    Results lie under ``results/<recording>/<digest>/``, the digest that of the object's content
    and of the model: they are written first, and the record then points to them. So what is
    listed is whole, whoever dies when, and a repetition writes what is there.

    A recording is heard in parts, each kept when it is done. Who runs out of time lets others go
    on; they take the model that began, and hear what is not kept yet. If that model is gone, all
    is begun anew with the one in service.
    """

    logbook: Logbook
    chronicle: Chronicle
    observations: Observations
    drift: DriftLog
    store: Store
    results: Results
    serving: Serving
    publisher: Publisher
    alerts: Alerts
    application: Application
    vectors: VectorStore

    def receive(self, key: str, goes_on: Callable[[], bool] = always) -> FieldRecording:
        """Note a recording and analyse it, unless that was done; answers how far it is.

        When ``goes_on`` says no, an event asks for somebody else to go on. While there is no
        model it waits. Raises BadKey, and what makes a recording unusable: BadRecording or
        RecordingTooLarge, which its record then tells as well.
        """
        site, _, name = key.removeprefix(RECORDINGS).partition("/")
        if not site or not name:
            raise BadKey(f"{key!r} names no site: put it at {RECORDINGS}<site>/<file>.")
        stored = self.store.find(key)
        record = self.logbook.note(key, site, stored.size, stored.version)
        if record.state == "analysed":
            return record
        try:
            return self._analyse(record, stored, goes_on)
        except NoModel as error:
            waiting = replace(record, code=error.code, reason=str(error))
            self.logbook.hold(waiting)
            return waiting
        except (BadRecording, RecordingTooLarge) as error:
            self.logbook.hold(replace(record, state="refused", code=error.code, reason=str(error)))
            raise

    def total(self) -> int:
        """How many recordings came in."""
        return self.logbook.total()

    def recordings(
        self, site: str | None, limit: int, before: str = ""
    ) -> tuple[list[FieldRecording], str | None]:
        """Recordings, the latest first, and where the next page starts; see ``Logbook``."""
        return self.logbook.recordings(site, limit, before)

    def recording(self, recording: str) -> FieldRecording:
        """One recording; raises RecordingNotFound."""
        return self.logbook.recording(recording)

    def detections(self, recording: str) -> Detections:
        """What was detected in a recording.

        Raises RecordingNotFound, NotAnalysed while it waits or when it is refused, and
        ResultsNotFound.
        """
        record = self.logbook.recording(recording)
        if record.results is None:
            why = record.reason or "It came in a moment ago: ask again."
            if record.state == "analysing":
                why = f"{record.progress or 0:.0%} of it is heard: ask again."
            raise NotAnalysed(f"{record.key} is {record.state}, not analysed. {why}")
        return from_json(self.results.read(record.results))

    def clip(self, recording: str, clip: str) -> bytes:
        """A clip of a recording's detection; raises RecordingNotFound or ClipNotFound."""
        record = self.logbook.recording(recording)
        return self.results.clip(f"{CLIPS}{record.recording}/{clip}")

    # --- hearing ---------------------------------------------------------------------------

    def _analyse(
        self, record: FieldRecording, stored: Stored, goes_on: Callable[[], bool]
    ) -> FieldRecording:
        detector = self._detector(record)
        version = detector.card.version
        digest = hashlib.sha256(f"{stored.version}\n{version}".encode()).hexdigest()[:12]
        file = self.store.file(stored)
        record = replace(
            record,
            state="analysing",
            code=None,
            reason=None,
            model_version=version,
            progress=record.progress if record.model_version == version else None,
            progress_at=now(),
            notes=read_notes(file, record.key),
        )
        self.logbook.hold(record)
        diary = _Diary(self.logbook, record)
        parts = _Parts(self.results, f"{PARTS}{record.recording}/{digest}/")
        with opened(file) as stream:
            hearing = listen(stream, detector, parts, goes_on, diary.tell)
            if hearing is not None:
                background = self.application.silence_label
                heard = Heard(record, stream, detector.card, hearing, background, digest)
                heard = asked(self.serving, heard, goes_on)
                if self.drift.is_drifting(record.site):
                    heard = heard.most_novel_first()
                if self._keep_clips(heard, goes_on):
                    self._keep_vectors(heard, detector)
                    return self._conclude(heard)
        return self._leave(diary.record)

    def _detector(self, record: FieldRecording) -> Detector:
        """What began with a recording, or else what is in service."""
        if record.model_version:
            try:
                return self.serving.version(record.model_version)
            except (ModelNotFound, BadBundle) as error:
                logger.warning("%s is begun anew: %s", record.key, error)
        return self.serving.detector()

    def _leave(self, record: FieldRecording) -> FieldRecording:
        """Ask for somebody to go on."""
        self.logbook.hold(record)
        self.publisher.publish(AnalysisContinues(record.key, record.recording))
        return record

    # --- what comes of it ------------------------------------------------------------------

    def _keep_clips(self, heard: Heard, goes_on: Callable[[], bool]) -> bool:
        """Keep the clips that are not kept yet, in the order of time; False when it is late."""
        folder = f"{CLIPS}{heard.record.recording}/"
        there = self.results.names(f"{folder}{heard.digest}-")
        for clip in heard.clips:
            if clip.name.removeprefix(f"{heard.digest}-") in there:
                continue
            if not goes_on():
                return False
            self.results.keep(f"{folder}{clip.name}", heard.cut(clip), clips.media_type(clip.name))
        return goes_on()

    def _keep_vectors(self, heard: Heard, detector: Detector) -> None:
        """Keep what stretches of a recording are found by."""
        source = f"recording-{heard.record.recording}-{heard.digest}"
        self.vectors.keep(detector.card.embedding_id, source, heard.vectors(detector))

    def _conclude(self, heard: Heard) -> FieldRecording:
        """Write what was found, and then say so."""
        record = heard.record
        found = heard.detections
        folder = f"{RESULTS}{record.recording}/{heard.digest}/detections"
        for form in FORMATS.values():
            self.results.keep(f"{folder}{form.suffix}", form.write(found).encode(), form.media_type)
        results = f"{folder}{FORMATS['json'].suffix}"
        self.chronicle.write(results, heard.occurrences)
        self.observations.keep(record.site, heard.observations)
        self.alerts.consider(record, found)
        analysed = replace(
            record,
            state="analysed",
            analysed_at=now(),
            duration_s=found.duration_s,
            progress=None,
            progress_at=None,
            results=results,
            detections=dict(Counter(one.label for one in found.detections)),
        )
        return self.logbook.finish(analysed, heard.reviews, heard.counted)


class _Parts:
    """What was heard of a recording so far, in the bucket: Checkpoints."""

    def __init__(self, results: Results, folder: str) -> None:
        self._results = results
        self._folder = folder
        self._there = results.names(folder)

    def load(self, part: int) -> bytes | None:
        return self._results.find(f"{self._folder}{part}") if str(part) in self._there else None

    def save(self, part: int, content: bytes) -> None:
        self._results.keep(f"{self._folder}{part}", content, PARTS_TYPE)


class _Diary:
    """Writes down how far a recording is, now and then."""

    def __init__(self, logbook: Logbook, record: FieldRecording) -> None:
        self.record = record
        self._logbook = logbook
        self._due = time.monotonic() + TELL_S

    def tell(self, progress: float) -> None:
        self.record = replace(self.record, progress=round(progress, 4), progress_at=now())
        if time.monotonic() >= self._due:
            self._logbook.hold(self.record)
            self._due = time.monotonic() + TELL_S
