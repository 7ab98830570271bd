"""Which clips are learnt from in altered copies as well, and what is kept of the copies."""

from __future__ import annotations

import io
import logging
import math
import zipfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from earshot.application import MIN_RECORDINGS

from retrain.augment import VERSION, alter, alterations
from retrain.dataset import WORKERS
from retrain.noise import silences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from earshot.application import Application
    from earshot.recording import Samples, Waveform

    from retrain.dataset import Clip

    # Embeddings [windows, dim] of copies by the name of the copy.
    Copies = Mapping[str, Samples]

logger = logging.getLogger(__name__)

# A label with fewer recordings than this, or than this share of the median label's, has few.
FEW = 30
FEW_OF_MEDIAN = 1 / 3
# Bounds of what a label with few recordings gets, per clip and in all; and of the others, which
# get one copy per clip.
MOST_PER_CLIP = 8
MOST_OF_FEW = 200
MOST_OF_OTHERS = 500
# Silence is taught in these shares of a window's length.
SILENT_SHARES = (1, 1 / 4, 1 / 16)


@dataclass(frozen=True, eq=False)
class Altered:
    """``clips`` with their copies, the ``copies`` by name, and how many were ``put_off``."""

    clips: list[Clip]
    copies: Copies
    put_off: int


def plan(clips: Sequence[Clip], min_recordings: int = MIN_RECORDINGS) -> dict[str, int]:
    """How many copies each clip is to have, by its SHA-256, the rarest label's clips first.

    Clips that are held out get none, nor do those of labels with fewer than ``min_recordings``,
    which are not learnt. A label with few recordings gets so many that recordings and copies come
    near to what is not few. Clips are chosen from all recordings in turn, and in an order that
    stays when others come.
    """
    learnt = [clip for clip in clips if not clip.held_out]
    counts = Counter(label for label, _ in {(clip.label, clip.group) for clip in learnt})
    recordings = {label: n for label, n in counts.items() if n >= min_recordings}
    if not recordings:
        return {}
    few = max(FEW, FEW_OF_MEDIAN * median(recordings.values()))
    seen: Counter[str] = Counter()
    turns: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for clip in sorted(learnt, key=lambda clip: clip.sha256):
        turns[clip.label].append((seen[clip.group], clip.sha256))
        seen[clip.group] += 1
    wanted: dict[str, int] = {}
    for label in sorted(recordings, key=lambda label: (recordings[label], label)):
        most, each = MOST_OF_OTHERS, 1
        if recordings[label] < few:
            most = MOST_OF_FEW
            missing = math.ceil(few / recordings[label]) - 1
            each = max(1, min(missing, MOST_PER_CLIP, most // len(turns[label])))
        wanted.update((sha256, each) for _, sha256 in sorted(turns[label])[: most // each])
    return wanted


def alter_clips(
    clips: Sequence[Clip],
    application: Application,
    embed: Callable[[Waveform], Samples],
    known: Copies | None = None,
    at_most: int | None = None,
    advance: Callable[[float], None] = lambda _: None,
) -> Altered:
    """Give clips the copies that are planned for them; those that have copies keep these.

    Copies ``known`` by name are not made again. Of the others ``at_most`` are made, those of the
    rarest labels first, and the rest is put off. A clip whose audio is gone gets copies without
    windows. ``advance`` is told the share that is done.
    """
    sample_rate = application.sample_rate
    by_sha256 = {clip.sha256: clip for clip in clips}
    names = {
        sha256: [_name(sha256, number, sample_rate) for number in range(count)]
        for sha256, count in plan(clips, application.min_recordings).items()
        if not _has_copies(by_sha256[sha256])
    }
    known = known or {}
    missing = [
        (sha256, number)
        for sha256, planned in names.items()
        for number, name in enumerate(planned)
        if name not in known
    ]
    to_make: dict[str, list[int]] = defaultdict(list)
    for sha256, number in missing[:at_most]:
        to_make[sha256].append(number)

    def make(sha256: str) -> dict[str, Samples]:
        clip, made = by_sha256[sha256], {}
        waveform = clip.audio()
        for number in to_make[sha256]:
            # Not a window where there is none to be had, so that it is not tried every time.
            rows = clip.embedding[:0]
            if waveform is not None:
                rows = embed(alter(waveform, alterations(number, sample_rate), number))
            made[names[sha256][number]] = rows[np.isfinite(rows).all(axis=1)]
        return made

    copies = {name: known[name] for planned in names.values() for name in planned if name in known}
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, made in enumerate(pool.map(make, to_make), start=1):
            copies |= made
            advance(done / len(to_make))
    return Altered(
        clips=[
            _with(clip, [copies[n] for n in names.get(clip.sha256, ()) if n in copies])
            for clip in clips
        ],
        copies=copies,
        put_off=len(missing[at_most:]) if at_most is not None else 0,
    )


def teach_silence(
    clips: Sequence[Clip], application: Application, embed: Callable[[Waveform], Samples]
) -> list[Clip]:
    """Give what a dead microphone records to the clips of ``silence_label``, as copies of them.

    Also a part of a window long: of shorter silence fewer frames are heard, which is another sound.
    """
    label = application.silence_label
    riders = [n for n, clip in enumerate(clips) if clip.label == label and not clip.held_out]
    taught = list(clips)
    lengths_s = [share * application.window_s for share in SILENT_SHARES] if riders else []
    sounds = (sound for length in lengths_s for sound in silences(application.sample_rate, length))
    for n, sound in zip(cycle(riders), sounds, strict=False):
        taught[n] = _with(taught[n], [embed(sound)])
    return taught


def _name(sha256: str, number: int, sample_rate: int) -> str:
    """All that decides what a copy sounds like."""
    return f"{sha256} {number} v{VERSION} {alterations(number, sample_rate)}"


def _has_copies(clip: Clip) -> bool:
    return clip.copies is not None and len(clip.copies) > 0


def _with(clip: Clip, copies: list[Samples]) -> Clip:
    if not copies:
        return clip
    present = [] if clip.copies is None else [clip.copies]
    return replace(clip, copies=np.concatenate([*present, *copies]))


def pack(copies: Copies) -> bytes:
    """Copies as one ``.npz``: many small objects would take longer to read than to make."""
    file = io.BytesIO()
    np.savez(
        file,
        name=np.array(list(copies)),
        windows=np.array([len(rows) for rows in copies.values()]),
        embedding=np.concatenate(list(copies.values())),
    )
    return file.getvalue()


def unpack(content: bytes) -> Copies:
    """What was packed; nothing if it is damaged, for copies can be made again."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            parts = np.split(stored["embedding"], np.cumsum(stored["windows"])[:-1])
            return dict(zip(stored["name"].tolist(), parts, strict=True))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        logger.warning("The kept copies cannot be read, and are made anew.", exc_info=True)
        return {}
