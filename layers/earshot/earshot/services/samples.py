"""Labelled clips: catalogued and counted once, for as long as they are there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from earshot.audio import decode
from earshot.audio.streams import opened as streamed
from earshot.errors import (
    BadRecording,
    BadSample,
    ClipNotFound,
    LabelConflict,
    NoModel,
    RecordingTooLarge,
    SampleContended,
)
from earshot.field import clips
from earshot.moments import now
from earshot.recording import Outcome, Refusal, Sample
from earshot.serving import heard_at_once
from earshot.store import SampleKey

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.arrivals import Arrivals
    from earshot.catalog import Catalog
    from earshot.errors import EarshotError
    from earshot.holdings import Holder, Holdings
    from earshot.recording import Samples, Waveform
    from earshot.search.vectors import VectorStore
    from earshot.services.training import Training
    from earshot.serving import Serving
    from earshot.store import Opened, Store, Stored

# An object that changes more often while one looks will be told of again.
LOOKS = 10


@dataclass(frozen=True)
class LabelledClips:
    """Takes clips into the catalog, and out of it; lets those in it be heard."""

    application: Application
    store: Store
    catalog: Catalog
    holdings: Holdings
    arrivals: Arrivals
    serving: Serving
    training: Training
    vectors: VectorStore

    def settle(self, key: str) -> Outcome:
        """Make the catalog agree with what is at a key now; ask for a training when one is due.

        That is a labelled clip, another one than before, something that is none, or nothing. So
        events may be repeated and come in any order, whatever they tell of. Raises SampleContended.
        """
        outcome = self._settle(key)
        # Also after a repeated event: the first one may have died between count and request.
        self.training.request_if_due()
        return outcome

    def clip(self, sha256: str) -> tuple[bytes, str]:
        """A sample's audio, mono and 16-bit, and its media type: FLAC, or WAV, as clips are.

        Of a longer one the first ``clips.MOST_FRAMES``. Raises ClipNotFound when there is no such
        sample, and when its object is gone, or was put anew and is not taken in yet.
        """
        stored = self._stored(sha256)
        with heard_at_once, streamed(self.store.file(stored)) as stream:
            samples, rate = stream.read(0, clips.MOST_FRAMES), stream.sample_rate
        suffix = clips.suffix_at(rate)
        return clips.encode(samples, rate, suffix), clips.media_type(suffix)

    def _stored(self, sha256: str) -> Stored:
        """The object that a sample was taken from, if that is what is at its key now."""
        sample = self.catalog.sample(sha256)
        if sample is None:
            raise ClipNotFound(f"There is no sample {sha256[:100]!r}, or not any more.")
        holder = self.holdings.of(sample.key)
        try:
            stored = self.store.find(sample.key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            raise ClipNotFound(
                f"{sample.key} is gone: its sample goes when that is taken in. Search again."
            ) from error
        if not holder or (holder.sha256, holder.version) != (sha256, stored.version):
            raise ClipNotFound(
                f"{sample.key} was put anew a moment ago, and is not taken in yet. Search again."
            )
        return stored

    def _settle(self, key: str) -> Outcome:
        for _ in range(LOOKS):
            # Read before the object is: who has looked later and was faster is noticed.
            known = self.holdings.of(key)
            try:
                with closing(self.store.open(key)) as opened:
                    outcome = self._take(known, opened)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                if known is None:
                    self.arrivals.forgive(key)
                    return Outcome(key, "gone", "it is not there")
                if self.holdings.release(known):
                    return Outcome(key, "removed", known.sha256)
                continue
            # Whoever came to the object's end before this was done found nothing to take out.
            if outcome and self.store.has(opened.stored):
                return outcome
        raise SampleContended(f"{key} changes as fast as it is looked at.")

    def _take(self, known: Holder | None, opened: Opened) -> Outcome | None:
        """What becomes of an object that is there; None when somebody was faster."""
        key, version = opened.stored.key, opened.stored.version
        if known and known.version == version and self.holdings.stands(known):
            self.arrivals.forgive(key)
            return Outcome(key, "duplicate", known.sha256)
        try:
            sample = self._sample(key, opened.read())
        except (BadRecording, BadSample, RecordingTooLarge) as error:
            if known and not self.holdings.release(known):
                return None
            return self._refuse(key, error)
        # First, so that whatever is catalogued can be found.
        self.vectors.keep_sample(sample)
        try:
            held = self.holdings.hold(sample, version, known)
        except LabelConflict as error:
            # First: who gives it the sample ends its refusal as well.
            refused = self._refuse(key, error)
            held = self.holdings.hold(sample, version, known, waits=True)
            if held == "waiting":
                return refused
        return Outcome(key, held, sample.sha256) if held and held != "waiting" else None

    def _sample(self, key: str, data: bytes) -> Sample:
        """Decode and embed a clip; raises BadRecording and BadSample.

        While there is no model, it comes without an embedding: a training will embed it.
        """
        place = SampleKey.parse(key)
        self.application.check_label(place.label)
        waveform = decode(data)
        embedded_by, embedding = self._embed(waveform)
        return Sample(
            sha256=waveform.sha256,
            label=place.label,
            group=place.group or waveform.sha256,
            key=key,
            duration_s=waveform.duration_s,
            embedded_by=embedded_by,
            embedding=embedding,
            added_at=now(),
        )

    def _embed(self, waveform: Waveform) -> tuple[str, Samples | None]:
        """What embeds, and the embedding; nothing while there is no model."""
        try:
            detector = self.serving.detector()
        except NoModel:
            return "", None
        return detector.card.embedding_id, detector.embed(waveform)

    def _refuse(self, key: str, error: EarshotError) -> Outcome:
        self.arrivals.refuse(Refusal(key, error.code, str(error), now()))
        return Outcome(key, "refused", str(error))
