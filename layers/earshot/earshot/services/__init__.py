"""The use cases: everything Earshot does, free of HTTP and of Lambda."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from earshot import essentials
from earshot.errors import BadArchive, BadKey, BadRecording, BadSample, RecordingTooLarge
from earshot.field.listening import always
from earshot.moments import now
from earshot.recording import Outcome, Refusal
from earshot.services.supervision import Supervision
from earshot.services.sweep import Sweep
from earshot.store import IMPORTS, RECORDINGS, SAMPLES, is_folder_marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.application import Application
    from earshot.arrivals import Arrivals
    from earshot.catalog import Catalog
    from earshot.ledger import Ledger
    from earshot.letters import Failures
    from earshot.recording import Prediction
    from earshot.registry import Registry
    from earshot.search.vectors import VectorStore
    from earshot.services.alerts import Alerts
    from earshot.services.analysis import Analysis
    from earshot.services.drift import Drift
    from earshot.services.imports import Imports
    from earshot.services.models import Models
    from earshot.services.occurrences import Occurrences
    from earshot.services.packing import Packing
    from earshot.services.questions import Questions
    from earshot.services.review import ReviewQueue
    from earshot.services.samples import LabelledClips
    from earshot.services.search import Search
    from earshot.services.shadows import Shadows
    from earshot.services.training import Training
    from earshot.services.uploads import Uploads
    from earshot.services.watching import Watch
    from earshot.serving import Serving
    from earshot.statistics import Statistics
    from earshot.store import Store
    from earshot.sweeps import Sweeps
    from earshot.tokens import Tokens

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """The use cases over their collaborators, which an entry point builds once.

    ``tokens`` is None where the API asks for none.
    """

    application: Application
    store: Store
    catalog: Catalog
    ledger: Ledger
    arrivals: Arrivals
    statistics: Statistics
    tokens: Tokens | None
    registry: Registry
    serving: Serving
    samples: LabelledClips
    imports: Imports
    analysis: Analysis
    alerts: Alerts
    drift: Drift
    occurrences: Occurrences
    reviews: ReviewQueue
    questions: Questions
    uploads: Uploads
    training: Training
    models: Models
    shadows: Shadows
    watch: Watch
    sweeps: Sweeps
    failures: Failures
    vectors: VectorStore
    search: Search
    packing: Packing

    # --- predict ---------------------------------------------------------------------------

    def classify(self, data: bytes, explained: bool = False, request_id: str = "") -> Prediction:
        """Decode a recording and say what is heard, and by what; raises BadRecording or NoModel.

        What comes of it is counted, under the request's identity.
        """
        return essentials.classify(self.serving, self.statistics, data, explained, request_id)

    # --- what nobody asks for -------------------------------------------------------------

    @property
    def sweep(self) -> Sweep:
        """The use case that looks after all others."""
        return Sweep(
            catalog=self.catalog,
            training=self.training,
            supervision=Supervision(self.ledger, self.training),
            store=self.store,
            registry=self.registry,
            serving=self.serving,
            analysis=self.analysis,
            alerts=self.alerts,
            drift=self.drift,
            models=self.models,
            shadows=self.shadows,
            watch=self.watch,
            arrivals=self.arrivals,
            statistics=self.statistics,
            sweeps=self.sweeps,
            packing=self.packing,
            receive=self.receive,
        )

    # --- ingest ----------------------------------------------------------------------------

    def receive(self, key: str, goes_on: Callable[[], bool] = always) -> Outcome:
        """Act on an object that appeared in the recordings bucket; safe to repeat.

        A recording is heard as long as ``goes_on`` says yes; then an event asks for the rest.

        What is wrong with the object itself is recorded as a refusal. What is wrong with the
        world (S3, DynamoDB) is raised, for the queue to try again.
        """
        if is_folder_marker(key):
            return Outcome(key, "ignored", "a folder marker")
        try:
            if key.startswith(SAMPLES):
                return self.samples.settle(key)
            if key.startswith(RECORDINGS):
                return self._analyse(key, goes_on)
            if key.startswith(IMPORTS):
                return self.imports.unpack(key)
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

    def forget(self, key: str, goes_on: Callable[[], bool] = always) -> Outcome:
        """Act on an object that was deleted from the recordings bucket; safe to repeat.

        If there is one at its key now, that is received: an old version was deleted, or a delete
        marker, or something new has come. What is known of a recording or an archive stays, for
        it was heard, and its clips are there; only its refusal goes.
        """
        is_ours = key.startswith((SAMPLES, RECORDINGS, IMPORTS))
        if key.startswith(SAMPLES) or (is_ours and self.store.size(key) is not None):
            return self.receive(key, goes_on)
        self.arrivals.forgive(key)
        return Outcome(key, "gone", "it was deleted")

    def _analyse(self, key: str, goes_on: Callable[[], bool]) -> Outcome:
        """Detect what is in a recording; while there is no model, record that it came in."""
        record = self.analysis.receive(key, goes_on)
        if record.state == "analysing" and not record.code:
            return Outcome(key, "analysing", f"{record.progress or 0:.0%} of it is heard")
        if record.state != "analysed":
            return Outcome(key, "recorded", record.reason or "")
        return Outcome(key, "analysed", f"{sum(record.detections.values())} detections")
