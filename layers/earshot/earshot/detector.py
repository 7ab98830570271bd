"""A model version at work: Waveform in, Prediction out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.audio import MAX_FRAMES, MIN_DURATION_S, resample
from earshot.bundle import CARD_PROPERTY, ModelCard
from earshot.errors import BadBundle, RecordingTooLong
from earshot.recording import Prediction, Segment, Waveform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession, RunOptions

    from earshot.bundle import Bundle
    from earshot.recording import Samples

# Windows that go through the model at once: bounds the memory of a long recording.
BATCH = 16
# A recording's embedding is so many windows at most,
MAX_STORED_WINDOWS = 64
# and so many floats: 360 KB of the 400 that a DynamoDB item holds.
MAX_STORED_FLOATS = 90_000
# A model that has not answered a test tone by then will not do so for anybody who waits.
TRIAL_S = 10.0
# What answers depend on: the card has to say of it what the one inside the model says.
SEALED = (
    "labels",
    "sample_rate",
    "window_s",
    "hop_s",
    "thresholds",
    "novelty_threshold",
    "embedding_dim",
    "backbone_sha256",
)


@dataclass(frozen=True, eq=False)
class Hearing:
    """What the model made of each window.

    ``starts`` float64 ``[windows]`` in seconds, ``probabilities`` ``[windows, labels]``,
    ``embeddings`` ``[windows, dim]``, ``novelty`` ``[windows]``: how far a window is from all that
    was learnt.
    """

    starts: NDArray[np.float64]
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
) -> tuple[NDArray[np.float64], tuple[Samples, ...]]:
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
        np.array(at) / sample_rate,
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
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session: InferenceSession = runtime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"]
    )
    return session


def _runtime() -> Any:
    """ONNX Runtime, imported late: 90 ms that /health does not wait for."""
    # Else it tells its makers of every model that it loads (1.29 and later, on Linux), and keeps a
    # number for this machine in the home folder. It has to be said before it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


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

    def verify(self) -> None:
        """What a version passes before it serves; raises BadBundle.

        Its card agrees with the one inside the model, and it answers test tones that make sense:
        one window, and two at once of the shortest recording.
        """
        self._compare_cards()
        self.warm()
        self._try(np.stack([self._tone(MIN_DURATION_S)] * 2))

    def warm(self) -> None:
        """Load the model and hear a test tone; raises BadBundle when the answer makes no sense."""
        self._try(self._tone(self.card.window_s)[np.newaxis])

    def _compare_cards(self) -> None:
        inside = self._session.get_modelmeta().custom_metadata_map.get(CARD_PROPERTY)
        if inside is None:
            raise BadBundle(f"{self.card.version} carries no card inside its model.")
        sealed = ModelCard.from_json(inside)
        for name in SEALED:
            if getattr(self.card, name) != getattr(sealed, name):
                raise BadBundle(
                    f"The card of {self.card.version} says another {name} than the one inside its "
                    "model: it was altered."
                )

    def _tone(self, duration_s: float) -> Samples:
        rate = self.card.sample_rate
        samples = int(rate * duration_s)
        # So that BATCH windows fit into memory, and one after another comes to an end.
        if not 1 <= samples <= MAX_FRAMES // BATCH or round(rate * self.card.hop_s) < 1:
            raise BadBundle(
                f"{self.card.version} hears {self.card.window_s:g} s every {self.card.hop_s:g} s "
                f"at {rate} Hz, which cannot be."
            )
        time_s = np.arange(samples) / rate
        return (0.1 * np.sin(2 * np.pi * rate / 16 * time_s)).astype(np.float32)

    def _try(self, batch: Samples) -> None:
        """Hear test tones, ``[windows, samples]``, in bounded time; raises BadBundle."""
        version, card, windows = self.card.version, self.card, len(batch)
        answers = self._bounded(batch)
        if not all(isinstance(one, np.ndarray) and one.dtype.kind == "f" for one in answers):
            raise BadBundle(f"{version} answers a test tone, but not in numbers.")
        probabilities, embeddings, novelty = answers
        if probabilities.shape != (windows, len(card.labels)):
            raise BadBundle(
                f"{version} answers {probabilities.shape} probabilities for {windows} windows and "
                f"{len(card.labels)} labels."
            )
        if embeddings.shape != (windows, card.embedding_dim):
            raise BadBundle(
                f"{version} answers an embedding of {embeddings.shape} for {windows} windows, its "
                f"card says {card.embedding_dim}."
            )
        if novelty.shape != (windows,) or not np.isfinite(novelty).all():
            raise BadBundle(f"{version} answers no novelty for a test tone.")
        # Written so that NaN, which compares as false, does not pass.
        sums_to_one = (np.abs(probabilities.sum(axis=1) - 1) <= 1e-3).all()
        if not (np.isfinite(embeddings).all() and sums_to_one and (probabilities >= 0).all()):
            raise BadBundle(f"{version} answers no probabilities for a test tone.")

    def _bounded(self, batch: Samples) -> tuple[Samples, Samples, Samples]:
        """The model's answers; raises BadBundle when it fails, or has none after TRIAL_S."""
        options = _runtime().RunOptions()
        alarm = Timer(TRIAL_S, setattr, (options, "terminate", True))
        alarm.start()
        try:
            return self.run(batch, options)
        except BadBundle:
            raise
        except Exception as error:
            failed = f"takes more than {TRIAL_S:g} s for" if options.terminate else "fails on"
            raise BadBundle(f"{self.card.version} {failed} a test tone: {error}") from error
        finally:
            alarm.cancel()

    def hear(self, waveform: Waveform) -> Hearing:
        """Run the windows of a recording, resampled to the model's rate, through the model."""
        card = self.card
        starts, (probabilities, embeddings, novelty) = run_windows(
            self.run, waveform, card.sample_rate, card.window_s, card.hop_s
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
        novelty = hearing.novelty.mean(keepdims=True)
        (passes,) = accepted(
            mean[np.newaxis],
            novelty,
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
            novelty=float(novelty[0]),
        )

    def probabilities(self, batch: Samples) -> Samples:
        """``[batch, samples]`` at the card's rate → ``[batch, labels]``, without any windowing."""
        return self.run(batch)[0]

    def run(
        self, batch: Samples, options: RunOptions | None = None
    ) -> tuple[Samples, Samples, Samples]:
        """``[batch, samples]`` → the model's outputs.

        Probabilities ``[batch, labels]``, embedding ``[batch, dim]``, novelty ``[batch]``.
        """
        probabilities, embeddings, novelty = self._session.run(
            ["probabilities", "embedding", "novelty"], {"waveform": batch}, options
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
