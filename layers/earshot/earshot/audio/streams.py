"""Recordings of any length: any stretch of them, when it is wanted, in bounded memory."""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from earshot.audio import (
    MAX_DURATION_S,
    check_duration,
    check_header,
    check_samples,
    containers,
    decode,
    known_format,
    needs_ffmpeg,
)
from earshot.audio.sndfile import Reader
from earshot.errors import RecordingTooLarge, RecordingTooLong, UndecodableRecording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.recording import Samples

# A week, so that the list of windows is bounded too: a small file may claim years of silence.
MAX_STREAM_S = 7 * 86_400.0
# The most of a file that is decoded whole, as a sample would be; 200 MB are what a sample may have.
MAX_WHOLE_BYTES = 200_000_000
# Tags at the end of an MP3 take less; what is more is sound.
MAX_UNREAD_BYTES = 1_000_000
# What is decoded and kept at once, in frames: 4 MB each.
CHUNK = 1 << 20
# Lossy decoders carry something over from packet to packet, so their result depends on where they
# began. They begin anew at every so many chunks, whoever asks for what in which order,
BEGIN_EVERY = 32
# so many frames earlier: Opus has converged to the last bit by then, MP3 long before.
RUN_UP = 1 << 17
# libsndfile seeks in Vorbis to a wrong place now and then (its issue 885), and crashes in damaged
# files: it is always decoded from its start.
_FROM_START = ("VORBIS",)
# What soxr's filters (high quality) look at on both sides, in frames of the lower rate, and more:
# with 128 a piece differs from the whole by 4e-7, as it does with 2,048.
MARGIN = 512


@dataclass(frozen=True, eq=False)
class Stream:
    """An open recording: ``frames`` mono samples at ``sample_rate`` Hz.

    ``cut`` tells that its file was to be longer, as when a recorder's battery dies: ``frames`` is
    what is there.
    """

    sample_rate: int
    frames: int
    cut: bool
    _piece: Callable[[int, int], Samples]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def read(self, start: int, stop: int) -> Samples:
        """Frames ``[start, stop)``, or those of them that there are: float32, full scale ±1.

        The same frames are the same to the last bit in whatever order and pieces they are read.
        Going on is cheapest: going back decodes half an hour anew in MP3 and Opus, all from the
        start in Vorbis. The answer is not to be written to.

        Raises UndecodableRecording, NonFiniteSamples or SamplesOutOfScale, and what reading the
        file raises.
        """
        start, stop = max(start, 0), min(stop, self.frames)
        return self._piece(start, stop) if start < stop else np.empty(0, dtype=np.float32)


@contextmanager
def opened(file: BinaryIO) -> Iterator[Stream]:
    """Open a recording of any length; ``file`` can seek, and is the stream's own meanwhile.

    WAV (also RF64, W64, RIFX), FLAC, Ogg and MP3 are decoded piece by piece. What FFmpeg reads
    (M4A, AAC, WebM, FLAC in Ogg), and codings in WAV that cannot seek (GSM, G.721), are decoded
    whole, with the limits of ``decode``, and a truncated one of those is refused.

    A recording that was cut short, or whose length was never filled in, goes as far as its file:
    half a night is worth hearing. Raises a BadRecording as ``decode`` does, but RecordingTooLong
    only after a week; RecordingTooLarge for more than MAX_WHOLE_BYTES that are to be decoded whole.
    """
    kind = known_format(file)
    if needs_ffmpeg(file, kind):
        yield _whole(file)
        return
    with closing(Reader(file, kind)) as reader:
        if not reader.can_seek:
            yield _whole(file)
            return
        check_header(reader.sample_rate, reader.channels)
        frames, cut = _extent(reader, file, kind)
        check_duration(frames, reader.sample_rate)
        if frames > MAX_STREAM_S * reader.sample_rate:
            raise RecordingTooLong(
                f"The recording lasts {frames / reader.sample_rate / 86_400:.1f} days; at most "
                f"{MAX_STREAM_S / 86_400:.0f} are heard. Cut it into parts."
            )
        yield Stream(reader.sample_rate, frames, cut, _Chunks(reader, frames, kind).read)


def resampled(stream: Stream, sample_rate: int) -> Stream:
    """The same recording at another rate, as ``resample`` makes it of the whole, to about 1e-6."""
    if stream.sample_rate == sample_rate:
        return stream
    import soxr  # 70 ms to import, and most recordings come at the model's own rate

    # Every so many frames, once in each ``common``th of a second, both rates have one together.
    common = math.gcd(stream.sample_rate, sample_rate)
    here, there = stream.sample_rate // common, sample_rate // common
    margin = math.ceil(MARGIN * common / min(stream.sample_rate, sample_rate))

    def piece(start: int, stop: int) -> Samples:
        first = max(0, start // there - margin)
        last = math.ceil(stop / there) + margin
        source = stream.read(first * here, last * here)
        heard = soxr.resample(source, stream.sample_rate, sample_rate)
        return np.asarray(heard[start - first * there : stop - first * there], dtype=np.float32)

    # As many as soxr makes of the whole: the nearest, a half upwards.
    frames = (2 * stream.frames * there + here) // (2 * here)
    return Stream(sample_rate, frames, stream.cut, piece)


def _whole(file: BinaryIO) -> Stream:
    """A stream over a recording that is decoded at once."""
    file.seek(0)
    data = file.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise RecordingTooLarge(
            f"A recording of this kind may have {MAX_WHOLE_BYTES} bytes. Send a longer one as "
            "WAV, FLAC, OGG or MP3."
        )
    try:
        waveform = decode(data)
    except RecordingTooLong as error:
        raise RecordingTooLong(
            "A recording of this kind is decoded at once, and lasts too long for that: "
            f"{MAX_DURATION_S / 60:.0f} minutes are the most, fewer above 96 kHz. Send it as WAV "
            "(PCM), FLAC, OGG or MP3, which are heard at any length."
        ) from error
    return Stream(
        waveform.sample_rate,
        len(waveform.samples),
        cut=False,
        _piece=lambda start, stop: waveform.samples[start:stop],
    )


def _extent(reader: Reader, file: BinaryIO, kind: str) -> tuple[int, bool]:
    """How many frames there are, and whether there should be more.

    libsndfile believes what a FLAC, Opus or MP3 says of its length, so the end is looked for.
    """
    promised = reader.frames
    if kind in ("wav", "w64") or reader.coding in _FROM_START:
        return promised, containers.is_cut(file, kind)
    there, beyond = 0, promised
    if promised and reader.reaches(promised - 1):
        there = promised
    while there < beyond:
        middle = (there + beyond) // 2
        if reader.reaches(middle):
            there = middle + 1
        else:
            beyond = middle
    # An MP3 without a Xing header has only an estimate of its length, by its first frame.
    if kind == "mp3" and there == promised and reader.unread > MAX_UNREAD_BYTES:
        raise UndecodableRecording(
            f"The mp3 file does not tell its length (no Xing header), and {reader.unread} bytes "
            "lie beyond where it seems to end. Export it again, at a constant bit rate or as FLAC."
        )
    cut = containers.is_cut(file, kind) or (kind == "flac" and reader.is_told and there < promised)
    return there, cut


class _Chunks:
    """A file's sound in pieces of CHUNK frames, decoded when they are wanted."""

    def __init__(self, reader: Reader, frames: int, kind: str) -> None:
        self._reader = reader
        self._frames = frames
        self._kind = kind
        self._is_lossy = kind in ("mp3", "ogg")
        self._begin_every = math.inf if reader.coding in _FROM_START else BEGIN_EVERY
        self._next = -1
        self._kept: dict[int, Samples] = {}

    def read(self, start: int, stop: int) -> Samples:
        pieces = [
            self._chunk(number)[max(0, start - number * CHUNK) : stop - number * CHUNK]
            for number in range(start // CHUNK, math.ceil(stop / CHUNK))
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _chunk(self, number: int) -> Samples:
        """One chunk; the last two are kept, for what is read next overlaps with them."""
        if number not in self._kept:
            chunk = self._decode(number)
            self._kept = dict([*self._kept.items()][-1:]) | {number: chunk}
        return self._kept[number]

    def _decode(self, number: int) -> Samples:
        first = number - int(number % self._begin_every) if self._is_lossy else number
        goes_on = first < self._next <= number if self._is_lossy else self._next == number
        if not goes_on:
            self._begin(first)
        while self._next < number:
            self._take()
        return self._take()

    def _begin(self, number: int) -> None:
        """Go to where a chunk starts; a lossy decoder is to know of nothing before."""
        start = number * CHUNK
        early = min(start, RUN_UP) if self._is_lossy else 0
        if self._is_lossy or self._next < 0:
            self._reader.reopen()
        if start or not self._is_lossy:
            self._reader.seek(start - early)
        if early:
            self._reader.read(early)
        self._next = number

    def _take(self) -> Samples:
        """The next chunk, mixed to mono and checked."""
        number, self._next = self._next, -1
        length = min(CHUNK, self._frames - number * CHUNK)
        samples = self._reader.read(length)
        if len(samples) < length:
            lost_s = (number * CHUNK + len(samples)) / self._reader.sample_rate
            raise UndecodableRecording(
                f"The {self._kind} file is damaged after {lost_s:.1f} s. "
                "Check that it plays, or export it again."
            )
        check_samples(samples)
        samples.setflags(write=False)
        self._next = number + 1
        return samples
