"""The acoustic backbone: its frames are librosa's, its statistics numpy's."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np
import pytest
import soundfile
from earshot.detector import open_session
from earshot.errors import BadApplication

from retrain.backbones import load
from retrain.backbones.acoustic import Acoustic

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]

RATE = 16_000
SPECS = {
    "16 kHz": Acoustic(),
    "22 kHz, 13 coefficients": Acoustic(22_050, 1024, 256, mfcc=13),
    "48 kHz": Acoustic(48_000, bands=80, fmin=50.0, fmax=16_000.0),
    "ultrasound": Acoustic(256_000, fmin=8_000.0),
}
# The largest difference from librosa, relative to a feature's range; in kHz that is Nyquist's.
TOLERANCE = 1e-3


def run(model: onnx.ModelProto, waveforms: Array) -> Array:
    batch = np.atleast_2d(waveforms).astype(np.float32)
    (answer,) = open_session(model.SerializeToString()).run(None, {"waveform": batch})
    return np.asarray(answer)


def nowhere(name: str) -> bytes:
    raise AssertionError(name)


def librosas(samples: Array, spec: Acoustic) -> dict[str, tuple[Array, float]]:
    """Each feature of each frame, and its range."""
    frames = {"n_fft": spec.n_fft, "hop_length": spec.hop, "center": False}
    blocks = {"frame_length": spec.n_fft, "hop_length": spec.hop, "center": False}
    signal: dict[str, Any] = {"y": samples, "sr": spec.sample_rate}
    feature, nyquist = librosa.feature, spec.sample_rate / 2000
    mfcc = feature.mfcc(
        **signal, n_mfcc=spec.mfcc, n_mels=spec.bands, fmin=spec.fmin, fmax=spec.fmax, **frames
    )
    return {
        "mfcc": (mfcc, np.abs(mfcc).max()),
        "centroid": (feature.spectral_centroid(**signal, **frames) / 1000, nyquist),
        "bandwidth": (feature.spectral_bandwidth(**signal, **frames) / 1000, nyquist),
        "roll-off": (feature.spectral_rolloff(**signal, **frames) / 1000, nyquist),
        "zero crossings": (feature.zero_crossing_rate(samples, **blocks), 1.0),
        "rms": (feature.rms(y=samples, **blocks), 1.0),
        "chroma": (feature.chroma_stft(**signal, tuning=0.0, **frames), 1.0),
    }


def assert_librosas(samples: Array, spec: Acoustic, frames: Array) -> None:
    at = 0
    for name, (expected, scale) in librosas(samples, spec).items():
        ours = frames[at : at + len(expected)]
        at += len(expected)
        np.testing.assert_allclose(ours, expected, atol=TOLERANCE * scale, rtol=0, err_msg=name)
    assert at == len(frames) == spec.rows


def sounds(rate: int) -> dict[str, Array]:
    t = np.arange(rate) / rate
    white = np.random.default_rng(0).standard_normal(rate)
    burst = np.where(np.abs(t - 0.5) < 0.02, white, 0.0)
    return {
        "noise": 0.1 * white,
        "quiet noise": 1e-4 * white,
        "tone": 0.5 * np.sin(2 * np.pi * rate / 37 * t),
        "chirp": np.sin(2 * np.pi * (rate / 160 * t + rate / 5 * t**2)),
        "burst": burst,
        "short": 0.1 * white[: rate // 10],
        "silence": np.zeros(rate),
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("name", sounds(RATE))
def test_frames_are_librosas(spec: Acoustic, name: str) -> None:
    samples = sounds(spec.sample_rate)[name].astype(np.float32)
    assert_librosas(samples, spec, run(spec.build_frames(), samples)[0])


def test_frames_are_librosas_on_real_clips(data_dir: Path) -> None:
    spec = Acoustic()
    model = spec.build_frames()
    with (data_dir / "esc10" / "manifest.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)][::30]
    for path in paths:
        samples, rate = soundfile.read(data_dir / "esc10" / path, dtype="float32")
        assert rate == RATE
        assert_librosas(samples, spec, run(model, samples)[0])


def test_an_embedding_is_mean_deviation_and_extremes_over_time() -> None:
    samples = sounds(RATE)["chirp"]
    spec = Acoustic()
    frames = run(spec.build_frames(), samples)[0].astype(np.float64)
    expected = np.concatenate(
        [frames.mean(axis=1), frames.std(axis=1), frames.min(axis=1), frames.max(axis=1)]
    )
    embedding = run(load("acoustic", RATE, nowhere).graph, samples)[0]
    np.testing.assert_allclose(embedding, expected, atol=2e-3)


@pytest.mark.parametrize("rate", [4_000, RATE, 22_050, 48_000, 96_000, 384_000, 500_000])
@pytest.mark.parametrize("seconds", [0.1, 4.0])
def test_silence_and_full_scale_are_finite_at_any_rate_and_length(
    rate: int, seconds: float
) -> None:
    backbone = load("acoustic", rate, nowhere)
    square = np.sign(np.sin(np.arange(int(rate * seconds)) / 7 + 0.1))
    embedding = run(backbone.graph, np.stack([np.zeros_like(square), square]))
    assert embedding.shape == (2, backbone.dim)
    # In half precision, too: so a seed is kept.
    assert np.isfinite(embedding.astype(np.float16)).all()


def test_a_batch_is_heard_as_its_members_are() -> None:
    batch = np.stack([s for s in sounds(RATE).values() if len(s) == RATE])
    model = Acoustic().build()
    alone = np.concatenate([run(model, samples) for samples in batch])
    np.testing.assert_allclose(run(model, batch), alone, atol=1e-3)


def test_an_application_chooses_its_parameters() -> None:
    chosen = load("acoustic", RATE, nowhere, {"mfcc": 13, "hop": 256})
    assert chosen.graph.graph == Acoustic(hop=256, mfcc=13).build().graph
    with pytest.raises(BadApplication, match="30 bands do not make 40"):
        load("acoustic", RATE, nowhere, {"mfcc": 40, "bands": 30})
    with pytest.raises(BadApplication, match="a smaller n_fft"):
        load("acoustic", RATE, nowhere, {"n_fft": 2048})
