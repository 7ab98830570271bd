"""Training data: labelled clips as embeddings, and the split that never moves."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.application import MIN_RECORDINGS
from earshot.errors import BadDataset
from earshot.services.review import is_reviewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Set
    from pathlib import Path
    from typing import Self

    from earshot.recording import Sample, Samples, Waveform

# Share of the recordings that is held out of every training, for the gates and the figures.
HELD_OUT = 0.2
# Recordings that are fetched and embedded at a time; ten minutes at 96 kHz are 240 MB.
WORKERS = 4


def _no_audio() -> None:
    """A clip of which only the embedding was kept."""


def is_held_out(group: str) -> bool:
    """Whether a recording is held out: a function of its name alone.

    So the held-out part stays the same from version to version, and grows with the data.
    """
    digest = hashlib.sha256(f"earshot held-out {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < HELD_OUT * 2**64


@dataclass(frozen=True, eq=False)
class Clip:
    """A labelled clip: ``embedding`` ``[windows, dim]``; ``audio`` fetches it, None if gone.

    ``copies`` ``[any, dim]`` are windows of altered copies, learnt from and never judged by.
    ``reviewed`` says that it came from the review queue.
    """

    sha256: str
    label: str
    group: str
    embedding: Samples
    audio: Callable[[], Waveform | None] = _no_audio
    copies: Samples | None = None
    reviewed: bool = False

    @property
    def held_out(self) -> bool:
        """Whether its recording is held out."""
        return is_held_out(self.group)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Clips to fit and clips to judge by, of ``labels``; ``notes`` says what was left out.

    To learn what to refuse from, ``background`` are clips of none of the labels, and ``noise``
    ``[any, dim]`` embeddings of steady noise.
    """

    labels: tuple[str, ...]
    training: tuple[Clip, ...]
    held_out: tuple[Clip, ...]
    notes: tuple[str, ...] = ()
    background: tuple[Clip, ...] = ()
    noise: Samples | None = None

    def counts(self) -> dict[str, dict[str, int]]:
        """Clips per label in both parts."""
        training = Counter(clip.label for clip in self.training)
        held_out = Counter(clip.label for clip in self.held_out)
        return {
            label: {"training": training[label], "held_out": held_out[label]}
            for label in self.labels
        }

    def manifest(self) -> bytes:
        """The clips as CSV, sorted, so that its SHA-256 names the data."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("sha256", "label", "group", "part"))
        rows = [(c.sha256, c.label, c.group, "training") for c in self.training]
        rows += [(c.sha256, c.label, c.group, "held_out") for c in self.held_out]
        rows += [(c.sha256, c.label, c.group, "background") for c in self.background]
        writer.writerows(sorted(rows))
        return text.getvalue().encode()


def combine(seed: Iterable[Clip], samples: Iterable[Clip]) -> list[Clip]:
    """Old clips and new together. A sample that is in the seed as well keeps the seed's group.

    Its label is the sample's, for a person may have corrected it; its group, and with it its
    part of the split, must not change with the way it came in. The seed's copies are kept too.
    """
    clips = {clip.sha256: clip for clip in seed}
    for clip in samples:
        known = clips.get(clip.sha256)
        clips[clip.sha256] = (
            replace(clip, group=known.group, copies=known.copies) if known else clip
        )
    return list(clips.values())


def in_order(labels: Set[str], order: Sequence[str]) -> tuple[str, ...]:
    """Labels as they are answered: in ``order``, and the others last."""
    return (*(name for name in order if name in labels), *sorted(labels - set(order)))


def split(
    clips: Sequence[Clip],
    order: Sequence[str],
    notes: Sequence[str] = (),
    min_recordings: int = MIN_RECORDINGS,
    background: Sequence[Clip] = (),
    noise: Samples | None = None,
) -> Dataset:
    """Split by recording; labels come in ``order``, new ones last.

    Of the ``background``, what is held out is not learnt, nor are clips of recordings that have a
    label.

    A label with fewer than ``min_recordings`` to learn from is left out, with a note; other
    ``notes`` on clips that were left out before are kept with the data set.

    Raises BadDataset when fewer than two labels can be learnt, or a recording leaks.
    """
    recordings: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if not clip.held_out:
            recordings[clip.label].add(clip.group)
    names = in_order({clip.label for clip in clips}, order)
    labels = tuple(name for name in names if len(recordings[name]) >= min_recordings)
    few = tuple(
        f"{name} is left out: {len(recordings[name])} recordings to learn from, "
        f"{min_recordings} are needed."
        for name in names
        if name not in labels
    )
    if len(labels) < 2:
        raise BadDataset(
            "At least two labels need samples to learn from. "
            + " ".join([*few, *notes][:5] or [f"There is only {', '.join(labels) or 'nothing'}."])
        )
    used = [clip for clip in clips if clip.label in labels]
    known = {clip.sha256 for clip in clips} | {clip.group for clip in clips}
    dataset = Dataset(
        labels=labels,
        training=tuple(clip for clip in used if not clip.held_out),
        held_out=tuple(clip for clip in used if clip.held_out),
        notes=(*notes, *few),
        background=tuple(
            clip
            for clip in background
            if not clip.held_out and not known & {clip.sha256, clip.group}
        ),
        noise=noise,
    )
    if not dataset.held_out:
        raise BadDataset(
            f"None of the {len({clip.group for clip in used})} recordings falls into the fifth "
            "that is held out to judge by. Add recordings."
        )
    _check_leaks(dataset)
    return dataset


def _check_leaks(dataset: Dataset) -> None:
    for name in ("group", "sha256"):
        both = {getattr(c, name) for c in dataset.training} & {
            getattr(c, name) for c in dataset.held_out
        }
        if both:
            raise BadDataset(f"The same {name} is in both parts of the split: {min(both)}.")


def from_samples(
    samples: Iterable[Sample],
    embedded_by: str,
    fetch: Callable[[Sample], Waveform | None],
    embed: Callable[[Waveform], Samples],
    keep: Callable[[Sample, Samples], None],
) -> tuple[list[Clip], list[str]]:
    """The catalog's samples, and notes on those that cannot be used.

    ``fetch`` answers None when a sample's audio is gone. A sample that nothing has embedded yet, or
    another backbone, is fetched, embedded and given to ``keep``, so that the next training need
    not; one whose audio is gone can only be used as it was embedded.
    """

    def embedding_of(sample: Sample) -> Samples | None:
        if sample.embedded_by == embedded_by:
            return sample.embedding
        waveform = fetch(sample)
        if waveform is None:
            return None
        embedding = embed(waveform)
        keep(sample, embedding)
        return embedding

    clips, notes = [], []
    known = list(samples)
    with ThreadPoolExecutor(WORKERS) as pool:
        embeddings = list(pool.map(embedding_of, known))
    for sample, embedding in zip(known, embeddings, strict=True):
        if embedding is None:
            notes.append(
                f"{sample.key} is left out: the backbone has changed and its audio is gone."
                if sample.embedded_by
                else f"{sample.key} is left out: its audio was gone before it was embedded."
            )
            continue
        if not np.isfinite(embedding).all():
            notes.append(f"{sample.key} is left out: its embedding is not finite.")
            continue
        clips.append(
            Clip(
                sha256=sample.sha256,
                label=sample.label,
                group=sample.group,
                embedding=embedding,
                audio=partial(fetch, sample),
                reviewed=is_reviewed(sample.key),
            )
        )
    return clips, notes


@dataclass(frozen=True, eq=False)
class Seed:
    """What a default bundle was trained on, as embeddings, for later versions to learn from too."""

    clips: Sequence[Clip] = ()
    background: Sequence[Clip] = ()

    def save(self, path: Path, embedded_by: str) -> None:
        """Write ``embeddings.npz``.

        In half precision: an embedding's last digits are nothing to a fit, and half of the file.
        Values too large for that are kept as they are.
        """
        clips = [*self.clips, *self.background]
        none = np.empty((0, clips[0].embedding.shape[1]), dtype=np.float32)
        copies = [none if clip.copies is None else clip.copies for clip in clips]
        np.savez_compressed(
            path,
            embedded_by=np.array(embedded_by),
            labelled=np.array(len(self.clips)),
            sha256=np.array([clip.sha256 for clip in clips]),
            label=np.array([clip.label for clip in clips]),
            group=np.array([clip.group for clip in clips]),
            windows=np.array([len(clip.embedding) for clip in clips]),
            embedding=_halved(np.concatenate([clip.embedding for clip in clips])),
            copy_windows=np.array([len(windows) for windows in copies]),
            copies=_halved(np.concatenate(copies)),
        )

    @classmethod
    def load(cls, path: Path, embedded_by: str) -> Self:
        """Read a seed; an empty one when there is no file, or it is of another backbone."""
        if not path.is_file():
            return cls()
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["embedded_by"]) != embedded_by:
                return cls()
            embeddings, copies = (
                np.split(stored[name].astype(np.float32), np.cumsum(stored[counts])[:-1])
                for name, counts in (("embedding", "windows"), ("copies", "copy_windows"))
            )
            names = zip(stored["sha256"], stored["label"], stored["group"], strict=True)
            clips = [
                Clip(str(sha256), str(label), str(group), embedding, copies=copied)
                for (sha256, label, group), embedding, copied in zip(
                    names, embeddings, copies, strict=True
                )
            ]
            labelled = int(stored["labelled"])
        return cls(clips[:labelled], clips[labelled:])


def _halved(values: Samples) -> np.ndarray[Any, Any]:
    fits = np.abs(values).max(initial=0) <= np.finfo(np.float16).max
    return values.astype(np.float16) if fits else values
