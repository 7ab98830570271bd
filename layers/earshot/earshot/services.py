"""The use cases: everything Earshot does, free of HTTP and of Lambda."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from earshot.archive import Archive, RangedFile
from earshot.audio import decode
from earshot.errors import (
    BadArchive,
    BadBundle,
    BadKey,
    BadRecording,
    BadSample,
    NoModel,
    NotEnoughSamples,
    NothingToRollBackTo,
    PromotionConflict,
    PromotionRefused,
    RecordingTooLarge,
    RetrainInProgress,
)
from earshot.events import ModelPromoted, RetrainRequested
from earshot.explanation import explain
from earshot.recording import Import, Refusal, Sample, now
from earshot.runs import Run
from earshot.serving import heard_at_once
from earshot.store import IMPORTS, RECORDINGS, SAMPLES, SampleKey, is_folder_marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.analysis import Analysis
    from earshot.application import Application
    from earshot.arrivals import Arrivals
    from earshot.bundle import ModelCard
    from earshot.catalog import Catalog
    from earshot.events import Publisher
    from earshot.recording import Prediction, Samples, Waveform
    from earshot.registry import Champion, Registry
    from earshot.review import ReviewQueue
    from earshot.runs import Standing
    from earshot.serving import Serving
    from earshot.statistics import Statistics
    from earshot.store import Store
    from earshot.tokens import Tokens
    from earshot.uploads import Uploads

logger = logging.getLogger(__name__)

# How many versions a list shows.
LISTED = 50

# How many of an archive's files that are no audio are named in its record.
NAMED = 20

State = Literal[
    "added", "duplicate", "refused", "recorded", "analysed", "unpacked", "gone", "ignored"
]


@dataclass(frozen=True)
class Outcome:
    """What became of an object in the recordings bucket."""

    key: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Services:
    """The use cases over their collaborators, which an entry point builds once.

    ``tokens`` is None where the API asks for none.
    """

    application: Application
    store: Store
    catalog: Catalog
    arrivals: Arrivals
    statistics: Statistics
    tokens: Tokens | None
    registry: Registry
    serving: Serving
    publisher: Publisher
    analysis: Analysis
    reviews: ReviewQueue
    uploads: Uploads
    retrain_threshold: int

    # --- predict ---------------------------------------------------------------------------

    def classify(self, data: bytes, explained: bool = False, request_id: str = "") -> Prediction:
        """Decode a recording and say what is heard, and by what; raises BadRecording or NoModel.

        What comes of it is counted, under the request's identity.
        """
        started = time.perf_counter()
        try:
            prediction = self._hear(data, explained)
        except Exception as error:
            self._count(partial(self.statistics.count_error, error))
            raise
        took_ms = (time.perf_counter() - started) * 1000
        prediction = replace(prediction, processing_ms=round(took_ms, 2))
        self._count(partial(self.statistics.count, prediction, request_id))
        return prediction

    def _hear(self, data: bytes, explained: bool) -> Prediction:
        with heard_at_once:
            detector, waveform = self.serving.detector(), decode(data)
            hearing = detector.hear(waveform)
            prediction = detector.judge(hearing, waveform.duration_s)
            if explained:
                explanation = explain(detector, waveform, hearing, prediction.label)
                prediction = replace(prediction, explanation=explanation)
        return prediction

    def _count(self, count: Callable[[], None]) -> None:
        try:
            count()
        except (ClientError, BotoCoreError):
            # The answer is right whether or not it could be counted.
            logger.exception("An answer could not be counted.")

    # --- ingest ----------------------------------------------------------------------------

    def receive(self, key: str) -> Outcome:
        """Act on an object that appeared in the recordings bucket; safe to repeat.

        What is wrong with the object itself is recorded as a refusal. What is wrong with the
        world (S3, DynamoDB) is raised, for the queue to try again.
        """
        if is_folder_marker(key):
            return Outcome(key, "ignored", "a folder marker")
        try:
            if key.startswith(SAMPLES):
                return self.register_sample(key)
            if key.startswith(RECORDINGS):
                return self.register_recording(key)
            if key.startswith(IMPORTS):
                return self.unpack(key)
            raise BadKey(
                f"Nothing is done with {key!r}: labelled clips go to {SAMPLES}<label>/<file>, "
                f"recordings to {RECORDINGS}<site>/<file>, archives to {IMPORTS}<file>.zip."
            )
        except (BadRecording, BadSample, BadArchive, RecordingTooLarge) as error:
            self.arrivals.refuse(Refusal(key, error.code, str(error), now()))
            return Outcome(key, "refused", str(error))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return Outcome(key, "gone", "it was deleted before it was read")
            raise

    def register_sample(self, key: str) -> Outcome:
        """Decode, embed and catalogue a labelled clip; ask for a training when one is due.

        While there is no model to embed it, it is catalogued without: a training will embed it.
        """
        place = SampleKey.parse(key)
        self.application.check_label(place.label)
        waveform = decode(self.store.read(key))
        embedded_by, embedding = self._embed(waveform)
        sample = Sample(
            sha256=waveform.sha256,
            label=place.label,
            group=place.group or waveform.sha256,
            key=key,
            duration_s=waveform.duration_s,
            embedded_by=embedded_by,
            embedding=embedding,
            added_at=now(),
        )
        added = self.catalog.add_sample(sample)
        # Also after a repeated event: the first one may have died between count and request.
        self.retrain_if_due()
        return Outcome(key, "added" if added else "duplicate", sample.sha256)

    def _embed(self, waveform: Waveform) -> tuple[str, Samples | None]:
        """What embeds, and the embedding; nothing while there is no model."""
        try:
            detector = self.serving.detector()
        except NoModel:
            return "", None
        return detector.card.embedding_id, detector.embed(waveform)

    def register_recording(self, key: str) -> Outcome:
        """Detect what is in a recording; while there is no model, record that it came in."""
        record = self.analysis.receive(key)
        if record.state != "analysed":
            return Outcome(key, "recorded", record.reason or "")
        return Outcome(key, "analysed", f"{sum(record.detections.values())} detections")

    def unpack(self, key: str) -> Outcome:
        """Put the clips of an archive below ``samples/``; raises BadArchive or UnknownLabel.

        Their own events bring them back, to be judged and counted like any others. What this writes
        cannot come back here: samples never write objects. A repeated event, or one after a crash,
        puts the same bytes at the same keys.
        """
        stored = self.store.find(key)
        known = self.arrivals.import_of(key)
        if known and known.version == stored.version and known.state == "unpacked":
            return Outcome(key, "unpacked", f"{known.clips} clips, already")
        archive = Archive(RangedFile(partial(self.store.read_range, stored), stored.size))
        is_open = self.application.open_labels
        # An open application knows the labels that it was taught, too.
        taught = self.catalog.standing().labels if is_open else ()
        contents = archive.verify((*self.application.labels, *taught), is_open)
        record = Import(
            key=key,
            version=stored.version,
            state="unpacking",
            clips=len(contents.clips),
            size=sum(clip.size for clip in contents.clips),
            ignored=contents.ignored[:NAMED],
            ignored_total=len(contents.ignored),
            at=now(),
        )
        self.arrivals.note_import(record)
        self.store.write((clip.key, clip.size, archive.open(clip)) for clip in contents.clips)
        self.arrivals.note_import(replace(record, state="unpacked", at=now()))
        return Outcome(key, "unpacked", f"{record.clips} clips")

    # --- training --------------------------------------------------------------------------

    def request_retrain(self, reason: str, min_new_samples: int = 0) -> Run:
        """Claim a training run and publish it.

        Raises NotEnoughSamples, or RetrainInProgress when a run is under way.
        """
        return self._request(self.catalog.standing(), reason, min_new_samples)

    def retrain_if_due(self) -> Run | None:
        """Ask for a training when the threshold is crossed and none is under way."""
        standing = self.catalog.standing()
        if standing.active_run or standing.new < self.retrain_threshold:
            return None
        try:
            return self._request(
                standing,
                f"{standing.new} new samples reached the threshold of {self.retrain_threshold}",
                self.retrain_threshold,
            )
        except RetrainInProgress:
            return None

    def _request(self, standing: Standing, reason: str, min_new_samples: int) -> Run:
        if standing.active_run:
            raise RetrainInProgress(
                f"Training run {standing.active_run} is under way. Wait for it to end."
            )
        if standing.new < min_new_samples:
            raise NotEnoughSamples(
                f"There are {standing.new} new samples, {min_new_samples} were asked for. "
                "Add samples, or ask for fewer."
            )
        moment = datetime.now(UTC)
        run = Run(
            run=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            state="requested",
            reason=reason,
            requested_at=now(),
            samples=standing.total,
        )
        if not self.catalog.request_run(run, standing):
            raise RetrainInProgress("Another training was asked for at the same moment.")
        if standing.silent_run:
            self.catalog.bury_run(standing.silent_run)
        try:
            self.publisher.publish(RetrainRequested(run.run, reason, run.requested_at))
        except Exception as error:
            self.catalog.withdraw_run(run.run, standing, f"It could not be published: {error}")
            raise
        logger.info("Training run %s is requested: %s.", run.run, reason)
        return run

    # --- models ----------------------------------------------------------------------------

    def promote(
        self,
        version: str | None,
        expected: Champion | None,
        by: str,
        reason: str,
        rollback: bool = False,
    ) -> Champion:
        """Try a version, or by None the default bundle, put it into service, and tell of it.

        Raises PromotionConflict when the pointer is no longer ``expected``, ModelNotFound, or
        PromotionRefused when it could not serve.
        """
        try:
            self.serving.load(version)
        except BadBundle as error:
            raise PromotionRefused(
                f"{version or 'The default bundle'} could not serve, so the champion stays what "
                f"it is: {error} Promote another version."
            ) from error
        champion = self.registry.promote(version, expected, by, reason, rollback)
        self.serving.look_again()
        try:
            self.publisher.publish(
                ModelPromoted(
                    champion.version, champion.previous, champion.reason, champion.promoted_at
                )
            )
        except (ClientError, BotoCoreError, RuntimeError):
            # It serves whether or not anybody hears of it.
            logger.exception("The promotion of %s could not be published.", version)
        return champion

    def promote_by_hand(
        self, version: str, by: str, reason: str, expected: str | None = None
    ) -> Champion | None:
        """Put a version into service whatever its gates said; the champion itself stays.

        ``expected`` is the champion that the caller has seen. Answers the pointer, None while
        nothing was ever promoted. Raises what ``promote`` does.
        """
        pointer = self._pointer(expected)
        wanted = self._pointed(version)
        if wanted == (pointer.version if pointer else None):
            return pointer
        return self.promote(wanted, pointer, by, reason)

    def roll_back(self, by: str, reason: str, expected: str | None = None) -> Champion:
        """Put the version into service that served before, and so further back each time.

        ``expected`` is the champion that the caller has seen: with it, a call that is repeated
        goes back once. Raises NothingToRollBackTo and what ``promote`` does.
        """
        pointer = self._pointer(expected)
        undone = pointer.undone() if pointer else None
        if undone is None or (undone.previous is None and self.serving.default is None):
            raise NothingToRollBackTo(
                "No version served before this one. Promote a version of GET /models by its name."
            )
        return self.promote(undone.previous, pointer, by, reason, rollback=True)

    def _pointer(self, expected: str | None) -> Champion | None:
        """The champion pointer; raises PromotionConflict when it is not at ``expected``."""
        pointer = self.registry.champion()
        if expected is not None and self._pointed(expected) != (pointer and pointer.version):
            raise PromotionConflict(
                f"Nothing was changed: {expected[:100]!r} is not the champion, or no longer. Look "
                "at GET /models, and ask again if it still should change."
            )
        return pointer

    def _pointed(self, version: str) -> str | None:
        """How the pointer names a version: the default bundle's is None."""
        default = self.serving.default
        return None if default and default.card.version == version else version

    def cards(self) -> list[ModelCard]:
        """The cards of the latest versions, the newest first, the default bundle's last."""
        cards = self.registry.latest(LISTED)
        default = self.serving.default
        return [*cards, default.card] if default else cards

    def card(self, version: str) -> ModelCard:
        """One version's card; raises ModelNotFound."""
        default = self.serving.default
        if default and default.card.version == version:
            return default.card
        return self.registry.card(version)
