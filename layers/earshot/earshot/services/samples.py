"""Labelled clips: catalogued and counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot.audio import decode
from earshot.errors import NoModel
from earshot.recording import Outcome, Sample, now
from earshot.store import SampleKey

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.catalog import Catalog
    from earshot.recording import Samples, Waveform
    from earshot.services.training import Training
    from earshot.serving import Serving
    from earshot.store import Store


@dataclass(frozen=True)
class LabelledClips:
    """Takes clips into the catalog."""

    application: Application
    store: Store
    catalog: Catalog
    serving: Serving
    training: Training

    def register(self, key: str) -> Outcome:
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
        self.training.request_if_due()
        return Outcome(key, "added" if added else "duplicate", sample.sha256)

    def _embed(self, waveform: Waveform) -> tuple[str, Samples | None]:
        """What embeds, and the embedding; nothing while there is no model."""
        try:
            detector = self.serving.detector()
        except NoModel:
            return "", None
        return detector.card.embedding_id, detector.embed(waveform)
