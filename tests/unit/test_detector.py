from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE, REPOSITORY, sound
from earshot.bundle import Bundle
from earshot.detector import Detector, run_windows, thin, window_starts
from earshot.errors import BadBundle, RecordingTooLong
from earshot.recording import Waveform
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 10_000), st.integers(1, 1000), st.integers(1, 1000))
def test_windows_cover_everything_and_never_reach_over_the_end(
    length: int, window: int, hop: int
) -> None:
    hop = min(hop, window)
    starts = window_starts(length, window, hop)
    assert starts[0] == 0
    assert all(0 < b - a <= hop for a, b in itertools.pairwise(starts))
    if length <= window:
        assert starts == [0]
    else:
        assert starts[-1] + window == length


@pytest.fixture(scope="module")
def detector(default_bundle: Bundle) -> Detector:
    return Detector(default_bundle)


def test_probabilities_name_every_label_and_add_up(detector: Detector) -> None:
    prediction = detector.classify(Waveform(sound("siren"), 16_000))
    assert tuple(prediction.probabilities) == detector.card.labels
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.confidence == max(prediction.probabilities.values())
    assert detector.card.labels[prediction.class_id] == prediction.label
    assert [label for label, _ in prediction.top(1)] == [prediction.label]
    assert len(prediction.top(99)) == len(detector.card.labels)


@pytest.mark.parametrize("duration_s", [0.1, 0.5, 3.99, 4.0, 4.01, 9.3, 61.0])
def test_segments_cover_the_whole_recording(detector: Detector, duration_s: float) -> None:
    samples = np.resize(sound("casual"), int(16_000 * duration_s)).astype(np.float32)
    prediction = detector.classify(Waveform(samples, 16_000))
    assert prediction.segments[0].start_s == 0
    assert prediction.segments[-1].end_s == pytest.approx(duration_s, abs=0.001)
    for before, after in zip(prediction.segments, prediction.segments[1:], strict=False):
        assert before.end_s == after.start_s
        assert before.label != after.label


def test_a_long_recording_says_where(detector: Detector) -> None:
    quiet, loud = sound("casual", 1), sound("siren", 2)
    both = np.concatenate([quiet, quiet, loud, loud])
    hearing = detector.hear(Waveform(both, 16_000))
    alone = detector.hear(Waveform(loud, 16_000))
    np.testing.assert_allclose(hearing.probabilities[2], alone.probabilities[0], atol=1e-5)


def test_silence_and_full_scale_are_answered(detector: Detector) -> None:
    for samples in (np.zeros(64_000), np.ones(64_000), np.tile([1.0, -1.0], 32_000)):
        prediction = detector.classify(Waveform(samples.astype(np.float32), 16_000))
        assert 0 < prediction.confidence <= 1


def test_an_answer_is_uncertain_below_its_threshold_and_where_the_sound_is_too_novel(
    default_bundle: Bundle,
) -> None:
    waveform = Waveform(sound("siren"), 16_000)

    def decision(threshold: float, novelty_threshold: float) -> str:
        thresholds = dict.fromkeys(default_bundle.card.labels, threshold)
        card = replace(
            default_bundle.card, thresholds=thresholds, novelty_threshold=novelty_threshold
        )
        return Detector(replace(default_bundle, card=card)).classify(waveform).decision

    assert decision(0.0, 1e6) == "accepted"
    assert decision(1.01, 1e6) == "uncertain"
    assert decision(0.0, 0.0) == "uncertain"


def test_a_model_that_measures_no_novelty_is_refused(default_bundle: Bundle) -> None:
    graph = onnx.load_model_from_string(default_bundle.model)
    kept = [output for output in graph.graph.output if output.name != "novelty"]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    model = graph.SerializeToString()
    card = replace(default_bundle.card, model_sha256=hashlib.sha256(model).hexdigest())
    with pytest.raises(BadBundle, match="novelty"):
        Detector(Bundle(card, model)).warm()


def test_windows_of_a_batch_do_not_hear_each_other(detector: Detector) -> None:
    clips = [sound(label, seed) for seed in range(5) for label in ("siren", "gunshot", "casual")]
    together = detector.hear(Waveform(np.concatenate(clips), 16_000))
    for number in (0, 7, 14):
        alone = detector.hear(Waveform(clips[number], 16_000))
        np.testing.assert_allclose(together.embeddings[number], alone.embeddings[0], atol=1e-4)


@given(st.integers(1, 600), st.integers(1, 4_096))
def test_what_is_stored_of_a_recording_fits_into_an_item(windows: int, dim: int) -> None:
    embeddings = np.arange(windows, dtype=np.float32)[:, np.newaxis].repeat(dim, axis=1)
    stored = thin(embeddings)
    assert stored.nbytes <= 360_000  # DynamoDB takes 400 KB
    assert len(stored) == windows or len(stored) >= min(windows, 64, 80_000 // dim)
    assert (np.diff(stored[:, 0]) > 0).all()


def test_altered_bytes_are_refused(default_bundle: Bundle) -> None:
    altered = bytearray(default_bundle.model)
    altered[len(altered) // 2] ^= 1
    with pytest.raises(BadBundle, match="altered or cut"):
        Bundle(default_bundle.card, bytes(altered))
    with pytest.raises(BadBundle, match="altered or cut"):
        Bundle(default_bundle.card, default_bundle.model[:-10])


def test_a_card_that_does_not_fit_its_model_is_refused(default_bundle: Bundle) -> None:
    labels = (*default_bundle.card.labels, "owl")
    card = replace(default_bundle.card, labels=labels, thresholds=dict.fromkeys(labels, 0.5))
    with pytest.raises(BadBundle, match="5 labels"):
        Detector(Bundle(card, default_bundle.model)).warm()
    card = replace(default_bundle.card, embedding_dim=3)
    with pytest.raises(BadBundle, match="embedding"):
        Detector(Bundle(card, default_bundle.model)).warm()


def test_minutes_that_become_too_many_samples_are_refused_before_they_are_made() -> None:
    long = Waveform(np.zeros(600 * 16_000, np.float32), 16_000)
    with pytest.raises(RecordingTooLong, match="384000 Hz"):
        run_windows(lambda batch: (batch,), long, 384_000, 1.0, 1.0)


def test_nobody_is_told_what_models_are_loaded(tmp_path: Path) -> None:
    """ONNX Runtime would leave a number for this machine in the home folder, and send it along."""
    code = (
        "from pathlib import Path; from earshot.bundle import Bundle; "
        "from earshot.detector import Detector; "
        f"Detector(Bundle.load(Path({str(DEFAULT_BUNDLE)!r}))).warm()"
    )
    path = str(REPOSITORY / "layers" / "earshot")
    # And none of the variables by which it knows a machine that only tests.
    environment = {"HOME": str(tmp_path), "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
