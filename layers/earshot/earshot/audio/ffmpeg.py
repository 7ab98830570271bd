"""What phones and browsers record: MP4, AAC, WebM; and FLAC in Ogg. Read by FFmpeg through PyAV.

Imported when such a file comes: it takes 70 ms and 17 MB.

FFmpeg reads far more than sound, from far more places than a file, so a stranger's file gets to
little of it: the demuxer is named, not guessed; few decoders are allowed; nothing else is opened.
AAC without a container says nothing of its encoder's delay, so such a recording starts with some
1,000 to 2,000 samples of the encoder's silence. Samples may differ in their last bits between
versions of FFmpeg, as lossy formats allow it, and a recording's identity with them.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

import av
import numpy as np

from earshot.audio.containers import Track, id3_size
from earshot.audio.mp4 import only_sound
from earshot.errors import (
    EmptyRecording,
    TruncatedRecording,
    UndecodableRecording,
    UnsupportedFormat,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.stream import AudioStream
    from av.container.input import InputContainer
    from numpy.typing import NDArray

    from earshot.recording import Samples

# The decoders that are allowed, by FFmpeg's names; a kind's name is that of its demuxer.
DECODERS = {
    "mp4": ("aac", "alac", "opus"),
    "aac": ("aac",),
    "webm": ("opus", "vorbis"),
    "ogg": ("flac",),
}
_MAX_STREAMS = 16


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[Track]:
    """Open the first sound track of a file whose kind is in DECODERS.

    Raises UnsupportedFormat, EmptyRecording, TruncatedRecording or UndecodableRecording, the last
    two also from within, while the blocks are read.
    """
    file = only_sound(data) if kind == "mp4" else io.BytesIO(data[id3_size(data) :])
    try:
        with av.open(
            file,
            mode="r",
            format=kind,
            metadata_errors="replace",
            # For what FFmpeg decodes when it looks for missing parameters.
            container_options={
                "codec_whitelist": ",".join(DECODERS[kind]),
                "max_streams": str(_MAX_STREAMS),
            },
            io_open=_refuse,
        ) as container:
            yield _track(container, kind)
    except av.FFmpegError as error:
        raise UndecodableRecording(
            f"The {kind} file is damaged: {error.strerror}. "
            "Check that it plays, or export it again."
        ) from error


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:  # noqa: ARG001
    """A file that names another file or an address does not get it."""
    raise UndecodableRecording(
        f"The file refers to {url[:100]!r}, which is not opened. Export it as one whole file."
    )


def _track(container: InputContainer, kind: str) -> Track:
    if not container.streams.audio:
        raise EmptyRecording(f"The {kind} file holds no sound track. Send a recording with sound.")
    stream = container.streams.audio[0]
    decoder = stream.codec_context
    if decoder is None or decoder.name not in DECODERS[kind]:
        raise UnsupportedFormat(
            f"The sound in the {kind} file is coded as {decoder.name if decoder else 'unknown'}, "
            f"which is not read there, but {', '.join(DECODERS[kind])}. Send it as WAV or FLAC."
        )
    decoder.thread_count = 1
    frames = _frames(container, stream, kind)
    # HE-AAC's rate is twice what its header says; the first frame knows.
    first = next(frames, None)
    if first is None:
        raise EmptyRecording(f"The {kind} file holds no samples. Send a recording with sound.")
    sample_rate = first.sample_rate
    promised = round(_promised_s(container, stream, kind) * sample_rate)
    blocks = _blocks(chain([first], frames), sample_rate, kind)
    if kind == "mp4":
        blocks = _without_padding(blocks, promised)
    return Track(sample_rate, first.layout.nb_channels, promised, blocks)


def _promised_s(container: InputContainer, stream: AudioStream, kind: str) -> float:
    """The length in seconds by the header; 0.0 when it is not told."""
    if kind == "mp4" and stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Bare AAC has a guess from the bit rate.
    return (container.duration or 0) / 1_000_000 if kind == "webm" else 0.0


def _frames(container: InputContainer, stream: AudioStream, kind: str) -> Iterator[av.AudioFrame]:
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise TruncatedRecording(
                f"The {kind} file is cut short, or lacks a part. Upload it again."
            )
        yield from packet.decode()


def _blocks(frames: Iterator[av.AudioFrame], sample_rate: int, kind: str) -> Iterator[Samples]:
    """Each frame's samples, float32 ``[n, channels]``."""
    for frame in frames:
        if frame.sample_rate != sample_rate:
            raise UndecodableRecording(
                f"The {kind} file changes its sample rate from {sample_rate} to "
                f"{frame.sample_rate} Hz on the way. Export it again."
            )
        samples = _floats(frame.to_ndarray())
        # A plane for each channel, or one with the channels side by side.
        yield samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)


def _floats(samples: NDArray[Any]) -> Samples:
    """Full scale ±1, as libsndfile has it, whatever the type."""
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / np.float32(1 << 8 * samples.dtype.itemsize - 1)
    return samples.astype(np.float32, copy=False)


def _without_padding(blocks: Iterator[Samples], promised: int) -> Iterator[Samples]:
    """The blocks, the last of them up to the promised end: encoders fill their last packet up."""
    length = 0
    held: Samples | None = None
    for block in blocks:
        if held is not None:
            yield held
            length += len(held)
        held = block
    if held is not None:
        yield held[: promised - length] if promised > length else held
