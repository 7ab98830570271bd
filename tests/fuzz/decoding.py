"""Decode mutants by number, in a process of its own: ``decoding.py FIRST STOP``.

A line before each file, with its number and name, and one after it: number, what came of it, the
most memory that this process had so far in MB. What is neither a recording nor a refusal ends it.
"""

from __future__ import annotations

import resource
import sys

import numpy as np
from earshot import audio
from earshot.errors import BadRecording
from mutations import mutant, originals


def outcome(data: bytes) -> str:
    """``decoded``, or the code of the refusal."""
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
