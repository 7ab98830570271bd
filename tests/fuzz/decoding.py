"""Decode mutants by number, in a process of its own: ``decoding.py FIRST STOP``.

A line before each file, with its number and name, and one after it: number, what came of it, the
most memory that this process had so far in MB. What is neither a recording nor a refusal ends it.
"""

from __future__ import annotations

import io
import resource
import sys

import numpy as np
from earshot import audio
from earshot.audio.streams import MAX_STREAM_S, opened
from earshot.errors import BadRecording, RecordingTooLarge
from mutations import mutant, originals

# A recording may last a week; so much of one is read here.
HEARD_S = 60.0


def outcome(data: bytes) -> str:
    """``decoded``, or the code of the refusal."""
    stream_whole(data)
    try:
        waveform = audio.decode(data)
    except BadRecording as error:
        return error.code
    samples = waveform.samples
    assert samples.ndim == 1, samples.shape
    assert samples.dtype == np.float32
    assert max(samples.max(), -samples.min()) <= audio.MAX_AMPLITUDE
    assert audio.MIN_SAMPLE_RATE <= waveform.sample_rate <= audio.MAX_SAMPLE_RATE
    assert audio.MIN_DURATION_S <= waveform.duration_s <= audio.MAX_DURATION_S
    assert len(samples) <= audio.MAX_FRAMES
    return "decoded"


def stream_whole(data: bytes) -> None:
    """The same file as a recording from the field: it is heard as far as it goes, or refused."""
    try:
        with opened(io.BytesIO(data)) as stream:
            assert audio.MIN_DURATION_S <= stream.duration_s <= MAX_STREAM_S
            last = stream.frames
            stop = min(last, int(HEARD_S * stream.sample_rate))
            for samples in (stream.read(0, stop), stream.read(last - 1000, last)):
                assert samples.dtype == np.float32
                assert np.abs(samples).max() <= audio.MAX_AMPLITUDE
            assert len(stream.read(0, stop)) == stop
    except (BadRecording, RecordingTooLarge):
        pass


def main(first: int, stop: int) -> None:
    for data in originals().values():
        outcome(data)
    say("ready", peak_mb())
    for seed in range(first, stop):
        name, data = mutant(seed)
        say(seed, "is", name)
        say(seed, outcome(data), peak_mb())


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def say(*words: object) -> None:
    print(*words, sep="\t", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
