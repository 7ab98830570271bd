"""Search by example: where else is there what sounds like this, so that a person can label it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from earshot.audio import decode
from earshot.errors import NothingToSearchBy
from earshot.search.index import Indexes
from earshot.search.vectors import space_of
from earshot.serving import heard_at_once

if TYPE_CHECKING:
    from pathlib import Path

    from earshot.catalog import Catalog
    from earshot.detector import Detector
    from earshot.field.logbook import Logbook
    from earshot.recording import FieldRecording, Sample, Samples
    from earshot.search.index import Hit, Identity, Index, Wanted
    from earshot.search.vectors import VectorStore
    from earshot.serving import Serving

# Looked up in one round trip: most answers want no more.
LOOKED_UP = 50


@dataclass(frozen=True)
class Match:
    """A sample, or a stretch of a recording, and its ``similarity``, 1 for the very same sound.

    ``source`` is a sample's SHA-256 or a recording's id. ``label`` was given to a sample, and
    predicted for a stretch, then with its ``confidence``. ``clip`` names a stretch's audio, and
    ``review`` the question that a person is asked about it, if there is one.
    """

    similarity: float
    kind: Literal["recording", "sample"]
    source: str
    key: str
    site: str | None
    start_s: float
    end_s: float
    label: str
    confidence: float | None
    clip: str | None
    review: str | None


@dataclass(frozen=True)
class Found:
    """The nearest first; ``searched`` among how many, and ``notes`` on what was not."""

    matches: tuple[Match, ...]
    searched: int
    model_version: str
    notes: tuple[str, ...] = ()


class Search:
    """Finds what is nearest among samples, and stretches of recordings, that are still there."""

    def __init__(
        self,
        store: VectorStore,
        serving: Serving,
        catalog: Catalog,
        logbook: Logbook,
        default_bundle: Path,
    ) -> None:
        self._serving = serving
        self._catalog = catalog
        self._logbook = logbook
        self._indexes = Indexes(store, default_bundle)

    def by_sound(self, data: bytes, wish: Wanted, limit: int) -> Found:
        """What sounds like any window of a file; raises BadRecording or NoModel."""
        with heard_at_once:
            detector, waveform = self._serving.detector(), decode(data)
            embedding = detector.embed(waveform)
        index = self._index(detector)
        return self._found(detector, index, _compared(index, embedding), wish, limit)

    def by_stretch(self, recording: str, start_s: float, wish: Wanted, limit: int) -> Found:
        """What sounds like a stretch that was detected or doubted, which itself is left out.

        Raises RecordingNotFound, NoModel, and NothingToSearchBy where there was nothing of the
        kind, or another backbone heard it.
        """
        record = self._logbook.recording(recording)
        detector = self._serving.detector()
        index = self._index(detector)
        known = index.at(recording, mark_of(record), start_s)
        if known is None:
            raise NothingToSearchBy(
                f"Nothing at {start_s:g} s of {record.key} was kept to search by: it was neither "
                f"among its surest detections nor doubtful, or what heard it has another backbone "
                f"than {detector.card.version}. Send its sound."
            )
        query, itself = known
        return self._found(detector, index, query, wish, limit, itself.identity)

    def by_sample(self, sha256: str, wish: Wanted, limit: int) -> Found:
        """What sounds like a sample, which itself is left out.

        Raises NoModel, and NothingToSearchBy when there is none, or another backbone embedded it.
        """
        detector = self._serving.detector()
        sample = self._catalog.sample(sha256)
        if sample is None:
            raise NothingToSearchBy(f"There is no sample {sha256[:100]!r}. Send its sound.")
        if sample.embedding is None or sample.embedded_by != detector.card.embedding_id:
            raise NothingToSearchBy(
                f"{sample.key} was not embedded by the backbone of {detector.card.version}: the "
                "next training does that. Send its sound."
            )
        index = self._index(detector)
        mean = sample.embedding.mean(axis=0, keepdims=True)
        itself = (sha256, "", 0.0)
        return self._found(detector, index, _compared(index, mean), wish, limit, itself)

    def _index(self, detector: Detector) -> Index:
        return self._indexes.of(space_of(detector.card.embedding_id))

    def _found(
        self,
        detector: Detector,
        index: Index,
        queries: Samples | None,
        wish: Wanted,
        limit: int,
        itself: Identity | None = None,
    ) -> Found:
        hits = index.nearest(queries, wish) if queries is not None else iter(())
        matches: list[Match] = []
        while len(matches) < limit and (some := [*islice(hits, LOOKED_UP)]):
            matches += self._standing([hit for hit in some if hit.identity != itself], wish)
        # What no graph led to comes late.
        matches.sort(key=lambda match: -match.similarity)
        version = detector.card.version
        return Found(tuple(matches[:limit]), len(index), version, _notes(version, index))

    def _standing(self, hits: list[Hit], wish: Wanted) -> list[Match]:
        """Those whose sample or recording is there, and is what it was, as it is now."""
        samples = self._catalog.many(sorted({hit.source for hit in hits if not hit.mark}))
        records = self._logbook.many(sorted({hit.source for hit in hits if hit.mark}))
        matches = []
        for hit in hits:
            if hit.mark:
                record = records.get(hit.source)
                if record and mark_of(record) == hit.mark:
                    matches.append(_stretch(hit, record))
            else:
                sample = samples.get(hit.source)
                if sample and wish.label in (None, sample.label):
                    matches.append(_labelled(hit, sample))
        return matches


def _compared(index: Index, embedding: Samples) -> Samples | None:
    """Vectors as the index compares them; None where it has nothing."""
    return index.geometry.project(embedding) if index.geometry is not None else None


def mark_of(record: FieldRecording) -> str:
    """The digest of the content and the model that a recording's results are of."""
    return record.results.split("/")[-2] if record.results else ""


def _stretch(hit: Hit, record: FieldRecording) -> Match:
    return Match(
        similarity=_rounded(hit),
        kind="recording",
        source=hit.source,
        key=record.key,
        site=record.site,
        start_s=hit.start_s,
        end_s=hit.end_s,
        label=hit.label,
        confidence=round(hit.confidence, 4),
        clip=hit.clip,
        review=hit.review or None,
    )


def _labelled(hit: Hit, sample: Sample) -> Match:
    return Match(
        similarity=_rounded(hit),
        kind="sample",
        source=hit.source,
        key=sample.key,
        site=None,
        start_s=0.0,
        end_s=sample.duration_s,
        label=sample.label,
        confidence=None,
        clip=None,
        review=None,
    )


def _rounded(hit: Hit) -> float:
    """A cosine in four digits; rounding takes it no further than 1."""
    return round(min(hit.similarity, 1.0), 4)


def _notes(version: str, index: Index) -> tuple[str, ...]:
    notes = []
    if not len(index):
        notes.append(
            "Nothing can be found yet: there is no sample, and no analysed recording in which "
            f"anything was detected or doubted, that the backbone of {version} has heard."
        )
    if index.left_out:
        notes.append(
            f"{index.left_out} objects are left out: too many came in since the last sweep, or "
            "there are more than are held in memory."
        )
    if index.others:
        notes.append(
            f"What models of another backbone than {version}'s have heard is left out: it "
            "cannot be compared. Samples come back with the next training."
        )
    return tuple(notes)
