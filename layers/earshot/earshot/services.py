"""The use cases: everything Earshot does, free of HTTP and of Lambda."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from earshot.audio import decode
from earshot.errors import (
    BadKey,
    BadRecording,
    BadSample,
    NotEnoughSamples,
    RecordingTooLarge,
    RetrainInProgress,
    UnknownLabel,
)
from earshot.events import ModelPromoted, RetrainRequested
from earshot.recording import Refusal, Sample, now
from earshot.runs import Run
from earshot.store import RECORDINGS, SAMPLES, SampleKey, is_folder_marker

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.bundle import ModelCard
    from earshot.catalog import Catalog
    from earshot.events import Publisher
    from earshot.recording import Prediction
    from earshot.registry import Champion, Registry
    from earshot.runs import Standing
    from earshot.serving import Serving
    from earshot.store import Store

logger = logging.getLogger(__name__)

# How many versions a list shows.
LISTED = 50
# A recording may take half a gigabyte while it is heard; Lambda hears one at a time anyway.
_hearing = BoundedSemaphore(2)

State = Literal["added", "duplicate", "refused", "recorded", "gone", "ignored"]


@dataclass(frozen=True)
class Outcome:
    """What became of an object in the recordings bucket."""

    key: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Services:
    """The use cases over their collaborators, which an entry point builds once."""

    application: Application
    store: Store
    catalog: Catalog
    registry: Registry
    serving: Serving
    publisher: Publisher
    retrain_threshold: int

    # --- predict ---------------------------------------------------------------------------

    def classify(self, data: bytes) -> Prediction:
        """Decode a recording and say what is heard; raises BadRecording or NoModel."""
        with _hearing:
            prediction = self.serving.detector().classify(decode(data))
        try:
            self.catalog.count_prediction(prediction)
        except (ClientError, BotoCoreError):
            # The answer is right whether or not it could be counted.
            logger.exception("A prediction could not be counted.")
        return prediction

    # --- ingest ----------------------------------------------------------------------------

    def receive(self, key: str, size: int) -> Outcome:
        """Act on an object that appeared in the recordings bucket; safe to repeat.

        What is wrong with the object itself is recorded as a refusal. What is wrong with the
        world (S3, DynamoDB, no model) is raised, for the queue to try again.
        """
        if is_folder_marker(key):
            return Outcome(key, "ignored", "a folder marker")
        try:
            if key.startswith(SAMPLES):
                return self.register_sample(key)
            if key.startswith(RECORDINGS):
                return self.register_recording(key, size)
            raise BadKey(
                f"Nothing is done with {key!r}: labelled clips go to {SAMPLES}<label>/<file>, "
                f"recordings to {RECORDINGS}<site>/<file>."
            )
        except (BadRecording, BadSample, RecordingTooLarge) as error:
            self.catalog.refuse(Refusal(key, error.code, str(error), now()))
            return Outcome(key, "refused", str(error))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return Outcome(key, "gone", "it was deleted before it was read")
            raise

    def register_sample(self, key: str) -> Outcome:
        """Decode, embed and catalogue a labelled clip; ask for a training when one is due."""
        place = SampleKey.parse(key)
        known = self.application.labels
        if place.label not in known and not self.application.open_labels:
            raise UnknownLabel(
                f"{place.label!r} is not a label of {self.application.name}: use one of "
                f"{', '.join(known)}."
            )
        waveform = decode(self.store.read(key))
        detector = self.serving.detector()
        sample = Sample(
            sha256=waveform.sha256,
            label=place.label,
            group=place.group or waveform.sha256,
            key=key,
            duration_s=waveform.duration_s,
            embedded_by=detector.card.embedding_id,
            embedding=detector.embed(waveform),
            added_at=now(),
        )
        added = self.catalog.add_sample(sample)
        # Also after a repeated event: the first one may have died between count and request.
        self.retrain_if_due()
        return Outcome(key, "added" if added else "duplicate", sample.sha256)

    def register_recording(self, key: str, size: int) -> Outcome:
        """Record that an unlabelled recording came in."""
        parts = key.removeprefix(RECORDINGS).split("/")
        if len(parts) < 2:
            raise BadKey(f"{key!r} names no site: put it at {RECORDINGS}<site>/<file>.")
        self.catalog.note_recording(key, parts[0], size)
        return Outcome(key, "recorded")

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

    def promote(self, version: str, expected: Champion | None, by: str, reason: str) -> Champion:
        """Put a version into service; raises PromotionConflict or ModelNotFound."""
        champion = self.registry.promote(version, expected, by, reason)
        try:
            self.publisher.publish(
                ModelPromoted(version, champion.previous, reason, champion.promoted_at)
            )
        except (ClientError, BotoCoreError, RuntimeError):
            # It serves whether or not anybody hears of it.
            logger.exception("The promotion of %s could not be published.", version)
        return champion

    # --- models ----------------------------------------------------------------------------

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
