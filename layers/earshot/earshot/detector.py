"""A model version at work: Waveform in, Prediction out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.audio import MAX_FRAMES, resample
from earshot.errors import BadBundle, RecordingTooLong
from earshot.recording import Prediction, Segment, Waveform

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnxruntime import InferenceSession

    from earshot.bundle import Bundle
    from earshot.recording import Samples

# Windows that go through the model at once: bounds the memory of a long recording.
BATCH = 16
# A recording's embedding is so many windows at most,
MAX_STORED_WINDOWS = 64
# and so many floats: 360 KB of the 400 that a DynamoDB item holds.
MAX_STORED_FLOATS = 90_000


@dataclass(frozen=True, eq=False)
class Hearing:
    """What the model made of each window.

    ``starts`` float32 ``[windows]`` in seconds, ``probabilities`` ``[windows, labels]``,
    ``embeddings`` ``[windows, dim]``, ``novelty`` ``[windows]``: how far a window is from all that
    was learnt.
    """

    starts: Samples
    probabilities: Samples
    embeddings: Samples
    novelty: Samples


def window_starts(length: int, window: int, hop: int) -> list[int]:
    """Where the windows of a recording of ``length`` samples begin.

    The last window is anchored to the recording's end, so that nothing is padded and nothing
    is left out; a recording shorter than a window is one window of its own length.
    """
    if length <= window:
        return [0]
    starts = list(range(0, length - window + 1, hop))
    if starts[-1] + window < length:
        starts.append(length - window)
    return starts


def run_windows(
    run: Callable[[Samples], tuple[Samples, ...]],
    waveform: Waveform,
    sample_rate: int,
    window_s: float,
    hop_s: float,
) -> tuple[Samples, tuple[Samples, ...]]:
    """Put the windows of a recording through ``run``, batch by batch.

    ``run`` takes ``[batch, samples]`` at ``sample_rate``; returned are the windows' starts in
    seconds, ``[windows]``, and each output of ``run`` for all windows. Raises RecordingTooLong
    where minutes at a low rate become too many samples at a high one.
    """
    if waveform.duration_s * sample_rate > MAX_FRAMES:
        raise RecordingTooLong(
            f"The recording has {waveform.duration_s:.0f} s; the model hears at {sample_rate} Hz, "
            f"at which {MAX_FRAMES / sample_rate:.0f} s are the most. Cut it into parts."
        )
    samples = resample(waveform, sample_rate).samples
    window = round(window_s * sample_rate)
    at = window_starts(len(samples), window, round(hop_s * sample_rate))
    outputs = [
        run(np.stack([samples[start : start + window] for start in at[i : i + BATCH]]))
        for i in range(0, len(at), BATCH)
    ]
    return (
        np.array([start / sample_rate for start in at], dtype=np.float32),
        tuple(np.concatenate(parts) for parts in zip(*outputs, strict=True)),
    )


def thin(embeddings: Samples) -> Samples:
    """As many rows as can be stored, spread evenly over the recording."""
    most = max(1, min(MAX_STORED_WINDOWS, MAX_STORED_FLOATS // embeddings.shape[1]))
    if len(embeddings) <= most:
        return embeddings
    chosen = np.linspace(0, len(embeddings) - 1, most).round().astype(int)
    return np.asarray(embeddings[chosen])


def accepted(
    probabilities: Samples,
    novelty: Samples,
    thresholds: np.ndarray[Any, Any],
    novelty_threshold: float,
) -> np.ndarray[Any, Any]:
    """Which answers pass: those as confident as their label wants, to nothing too novel.

    ``probabilities`` ``[clips, labels]`` and ``novelty`` ``[clips]`` are means over each clip's
    windows; ``thresholds`` ``[labels]``; answered is ``[clips]``, of booleans.
    """
    confident = probabilities.max(axis=1) >= thresholds[probabilities.argmax(axis=1)]
    return np.asarray(confident & (novelty <= novelty_threshold))


def open_session(model: bytes, threads: int = 1) -> InferenceSession:
    """A CPU session over an ONNX file's bytes, quiet and with a fixed number of threads."""
    # 90 ms to import: /health does not wait for it.
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Detector:
    """Runs one bundle. Thread-safe: an ONNX Runtime session may be shared."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle = bundle
        self.card = bundle.card
        self._threads = threads

    @cached_property
    def _session(self) -> InferenceSession:
        try:
            return open_session(self.bundle.model, self._threads)
        except Exception as error:  # onnxruntime's own exceptions share no other base
            raise BadBundle(f"{self.card.version}: ONNX Runtime refuses it: {error}") from error

    def warm(self) -> None:
        """Load the model and hear a test tone; raises BadBundle when the answer makes no sense."""
        rate = self.card.sample_rate
        time_s = np.arange(int(rate * self.card.window_s)) / rate
        tone = (0.1 * np.sin(2 * np.pi * rate / 16 * time_s)).astype(np.float32)
        try:
            probabilities, embeddings, novelty = self._run(tone[np.newaxis])
        except BadBundle:
            raise
        except Exception as error:
            raise BadBundle(f"{self.card.version} fails on a test tone: {error}") from error
        if probabilities.shape != (1, len(self.card.labels)):
            raise BadBundle(
                f"{self.card.version} answers {probabilities.shape} probabilities for "
                f"{len(self.card.labels)} labels."
            )
        if embeddings.shape != (1, self.card.embedding_dim):
            raise BadBundle(
                f"{self.card.version} answers an embedding of {embeddings.shape}, its card says "
                f"{self.card.embedding_dim}."
            )
        if novelty.shape != (1,) or not np.isfinite(novelty).all():
            raise BadBundle(f"{self.card.version} answers no novelty for a test tone.")
        if not np.isfinite(embeddings).all() or abs(float(probabilities.sum()) - 1) > 1e-3:
            raise BadBundle(f"{self.card.version} answers no probabilities for a test tone.")

    def hear(self, waveform: Waveform) -> Hearing:
        """Run the windows of a recording, resampled to the model's rate, through the model."""
        card = self.card
        starts, (probabilities, embeddings, novelty) = run_windows(
            self._run, waveform, card.sample_rate, card.window_s, card.hop_s
        )
        return Hearing(starts, probabilities, embeddings, novelty)

    def embed(self, waveform: Waveform) -> Samples:
        """The embedding that is stored with a sample: ``[windows, dim]``, see ``thin``."""
        return thin(self.hear(waveform).embeddings)

    def classify(self, waveform: Waveform) -> Prediction:
        """Say what is heard in a recording: the mean over its windows, and where."""
        return self.judge(self.hear(waveform), waveform.duration_s)

    def judge(self, hearing: Hearing, duration_s: float) -> Prediction:
        """Turn what the windows said into one prediction."""
        card = self.card
        mean = hearing.probabilities.mean(axis=0)
        best = int(mean.argmax())
        label, confidence = card.labels[best], float(mean[best])
        (passes,) = accepted(
            mean[np.newaxis],
            hearing.novelty.mean(keepdims=True),
            np.array([card.thresholds[name] for name in card.labels]),
            card.novelty_threshold,
        )
        return Prediction(
            label=label,
            class_id=best,
            confidence=confidence,
            decision="accepted" if passes else "uncertain",
            probabilities={name: float(p) for name, p in zip(card.labels, mean, strict=True)},
            segments=tuple(self._segments(hearing, duration_s)),
            model_version=card.version,
            duration_s=duration_s,
        )

    def probabilities(self, batch: Samples) -> Samples:
        """``[batch, samples]`` at the card's rate → ``[batch, labels]``, without any windowing."""
        return self._run(batch)[0]

    def _run(self, batch: Samples) -> tuple[Samples, Samples, Samples]:
        """``[batch, samples]`` → the model's outputs.

        Probabilities ``[batch, labels]``, embedding ``[batch, dim]``, novelty ``[batch]``.
        """
        probabilities, embeddings, novelty = self._session.run(
            ["probabilities", "embedding", "novelty"], {"waveform": batch}
        )
        return probabilities, embeddings, novelty

    def _segments(self, hearing: Hearing, duration_s: float) -> list[Segment]:
        """Neighbouring windows with one best label, merged; together they cover the recording."""
        best = hearing.probabilities.argmax(axis=1)
        cuts = np.flatnonzero(np.diff(best)) + 1
        segments = []
        for part in np.split(np.arange(len(best)), cuts):
            after = part[-1] + 1
            end = duration_s if after == len(best) else float(hearing.starts[after])
            segments.append(
                Segment(
                    start_s=round(float(hearing.starts[part[0]]), 3),
                    end_s=round(end, 3),
                    label=self.card.labels[best[part[0]]],
                    confidence=float(hearing.probabilities[part, best[part[0]]].mean()),
                )
            )
        return segments
