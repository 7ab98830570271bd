"""Files as phones and browsers make them, written by PyAV; the same bytes each time."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container.output import OutputContainer

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
# As MediaRecorder writes: neither a duration nor the sizes of its clusters.
LIVE = {"live": "1"}


def tone(hz: float, rate: int, duration_s: float = 1.0) -> np.ndarray[Any, Any]:
    time = np.arange(int(rate * duration_s)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def onset(rate: int = 48_000) -> np.ndarray[Any, Any]:
    """Half a second of silence, a second and a half of a tone."""
    return np.concatenate([np.zeros(rate // 2, dtype=np.float32), tone(1000, rate, 1.5)])


def record(
    samples: Any,
    rate: int,
    codec: str,
    container: str,
    sample_format: str = "flt",
    **options: str,
) -> bytes:
    """A file of samples ``[n]`` or ``[n, channels]``, in FFmpeg's names for codec and container."""
    file = io.BytesIO()
    with _writing(file, container, options) as output:
        _mux(output, _sound(output, codec, rate, samples), samples, rate, sample_format)
    return file.getvalue()


def film(samples: Any, rate: int, container: str, codecs: tuple[str, str], **options: str) -> bytes:
    """The same with a picture track before the sound: ``codecs`` names that of each."""
    file = io.BytesIO()
    with _writing(file, container, options) as output:
        picture = output.add_stream(codecs[0], rate=5)
        picture.width, picture.height = 64, 64  # type: ignore[union-attr]
        picture.pix_fmt = "yuvj420p" if codecs[0] == "mjpeg" else "yuv420p"  # type: ignore[union-attr]
        sound = _sound(output, codecs[1], rate, samples)
        for number in range(int(5 * len(samples) / rate)):
            image = np.full((64, 64, 3), 20 * number % 256, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format=picture.pix_fmt)  # type: ignore[union-attr]
            frame.pts = number
            output.mux(picture.encode(frame))  # type: ignore[union-attr]
        output.mux(picture.encode(None))  # type: ignore[union-attr]
        _mux(output, sound, samples, rate, "flt")
    return file.getvalue()


def _writing(file: io.BytesIO, container: str, options: dict[str, str]) -> OutputContainer:
    return av.open(
        file, mode="w", format=container, container_options={"fflags": "+bitexact", **options}
    )


def _sound(output: OutputContainer, codec: str, rate: int, samples: Any) -> AudioStream:
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    stream = output.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
    assert isinstance(stream, AudioStream)
    return stream


def _mux(
    output: OutputContainer, stream: AudioStream, samples: Any, rate: int, sample_format: str
) -> None:
    channels = samples.reshape(len(samples), -1)
    if sample_format == "flt":
        channels = channels.astype(np.float32)
    planes = channels.T if sample_format.endswith("p") else channels.reshape(1, -1)
    if sample_format != "flt":
        stream.format = sample_format  # type: ignore[assignment]
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(planes), format=sample_format, layout=stream.layout.name
    )
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
