"""The melstats backbone: its spectrogram is librosa's, its statistics are numpy's."""

from __future__ import annotations

import csv
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from earshot.detector import open_session
from earshot.errors import BadApplication
from scipy.fft import dct

from retrain.backbones import load
from retrain.backbones.melstats import MelStats

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    Array = np.ndarray[Any, np.dtype[Any]]

RATE = 16_000
SPEC = MelStats()
# One LSB of 8-bit audio, full scale being 2.
STEP = 1 / 128


def run(model: onnx.ModelProto, waveforms: Array) -> Array:
    batch = np.atleast_2d(waveforms).astype(np.float32)
    (answer,) = open_session(model.SerializeToString()).run(None, {"waveform": batch})
    return np.asarray(answer)


def nowhere(name: str) -> bytes:
    raise AssertionError(name)


def built(rate: int, **options: Any) -> onnx.ModelProto:
    return load("melstats", rate, nowhere, options).graph


def noise(seconds: float, seed: int = 0) -> Array:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return samples.astype(np.float32)


def chirp(seconds: float) -> Array:
    """From 100 Hz to 7.5 kHz."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (100 * t + 3700 * t**2 / seconds))).astype(np.float32)


def requantised(samples: Array, dither: bool) -> Array:
    """As an 8-bit file has it, with triangular dither of two LSB or none."""
    shake = np.random.default_rng(1).uniform(-0.5, 0.5, (2, *samples.shape)).sum(axis=0)
    steps = np.clip(np.round(samples / STEP + dither * shake), -128, 127)
    return np.asarray(steps * STEP, dtype=np.float32)


def librosa_log_mel(samples: Array, spec: MelStats) -> Array:
    import librosa

    power = librosa.feature.melspectrogram(
        y=samples,
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        hop_length=spec.hop,
        center=False,
        n_mels=spec.bands,
        fmin=spec.fmin,
        fmax=spec.fmax,
    )
    window = librosa.filters.get_window("hann", spec.n_fft)
    scale = spec.sample_rate / spec.n_fft / np.sum(window**2)
    return np.asarray(np.log(power * scale + spec.floor))


def clips(data_dir: Path, count: int, collection: str = "sesa") -> list[Array]:
    """The first 4 s, or all there is, of clips from all over a collection, at 16 kHz."""
    manifest = data_dir / collection / "manifest.csv"
    if not manifest.exists():
        pytest.skip(f"{manifest} is not here")
    with manifest.open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    return [
        soundfile.read(manifest.parent / path, frames=4 * RATE, dtype="float32")[0]
        for path in paths[:: len(paths) // count][:count]
    ]


@pytest.mark.parametrize(
    "samples",
    [noise(4), chirp(4), noise(0.1), 0.001 * noise(1)],
    ids=["noise", "chirp", "short", "quiet"],
)
def test_log_mel_is_librosas(samples: Array) -> None:
    ours = run(SPEC.build_log_mel(), samples)[0]
    np.testing.assert_allclose(ours, librosa_log_mel(samples, SPEC), atol=1e-4)


def test_log_mel_is_librosas_on_real_clips(data_dir: Path) -> None:
    for samples in clips(data_dir, 12):
        ours = run(SPEC.build_log_mel(), samples)[0]
        np.testing.assert_allclose(ours, librosa_log_mel(samples, SPEC), atol=1e-4)


@pytest.mark.parametrize(
    "spec",
    [
        MelStats(22_050, n_fft=706, hop=353),
        MelStats(RATE, n_fft=400, hop=160, bands=40, fmin=100, fmax=4_000),
        MelStats(256_000, n_fft=1024, hop=512, fmin=8_000),
    ],
    ids=["22 kHz", "narrow", "ultrasound"],
)
def test_log_mel_is_librosas_with_other_settings(spec: MelStats) -> None:
    samples = noise(2)
    ours = run(spec.build_log_mel(), samples)[0]
    np.testing.assert_allclose(ours, librosa_log_mel(samples, spec), atol=1e-4)


def test_white_noise_has_its_variance_in_every_band() -> None:
    power = np.exp(run(SPEC.build_log_mel(), noise(60))[0]) - SPEC.floor
    np.testing.assert_allclose(power.mean(axis=1), 0.01, rtol=0.25)


@pytest.mark.parametrize(
    "samples", [noise(2), chirp(4), noise(0.1)], ids=["noise", "chirp", "short"]
)
def test_statistics_are_numpys(samples: Array) -> None:
    log_mel = librosa_log_mel(samples, SPEC).astype(np.float64)
    shape = dct(log_mel, axis=0, norm="ortho")
    spreads = [
        log_mel.std(axis=1),
        shape.std(axis=1),
        *(np.abs(shape[:, lag:] - shape[:, :-lag]).mean(axis=1) for lag in SPEC.lags),
        np.abs(np.diff(log_mel, 2, axis=0)).mean(axis=1),
    ]
    expected = [log_mel.mean(axis=1), log_mel.max(axis=1), log_mel.min(axis=1)]
    expected += [np.log(spread + SPEC.spread_floor) for spread in spreads]
    np.testing.assert_allclose(run(SPEC.build(), samples)[0], np.concatenate(expected), atol=5e-4)


def test_eight_bits_move_the_embedding_little(data_dir: Path) -> None:
    """In standard deviations over clips, of 16-bit ESC-10: all of SESA is 8-bit already."""
    deep = clips(data_dir, 60, "esc10")
    model = SPEC.build()
    plain, hard, dithered = (
        np.concatenate([run(model, change(samples)) for samples in deep])
        for change in (
            lambda samples: samples,
            lambda samples: requantised(samples, dither=False),
            lambda samples: requantised(samples, dither=True),
        )
    )
    spread = plain.std(axis=0)
    assert (np.abs(hard - plain) / spread).mean() < 0.1
    assert (np.abs(dithered - plain) / spread).mean() < 0.3


def test_a_batch_is_heard_as_its_members_are() -> None:
    model = SPEC.build()
    batch = np.stack([noise(1), chirp(1), np.zeros(RATE, dtype=np.float32)])
    alone = np.concatenate([run(model, samples) for samples in batch])
    np.testing.assert_allclose(run(model, batch), alone, atol=1e-4)


@pytest.mark.parametrize("rate", [4_000, RATE, 22_050, 48_000, 256_000])
@pytest.mark.parametrize("seconds", [0.1, 4.0])
def test_silence_is_finite_at_any_rate_and_length(rate: int, seconds: float) -> None:
    silence = np.zeros((2, int(rate * seconds)))
    embedding = run(built(rate), silence)
    assert embedding.shape == (2, SPEC.dim)
    assert np.isfinite(embedding).all()


def test_full_scale_is_finite() -> None:
    square = np.sign(chirp(1))
    assert np.isfinite(run(SPEC.build(), square)).all()


def test_a_graph_is_the_same_bytes_every_time_and_fits_its_default_spec() -> None:
    first, second = (load("melstats", RATE, nowhere) for _ in range(2))
    assert first.content == second.content
    assert first.graph.graph == SPEC.build().graph


def test_another_process_builds_the_same_bytes() -> None:
    code = (
        "from retrain.backbones import load;"
        "backbone = load('melstats', 16000, lambda name: b''); print(backbone.sha256)"
    )
    theirs = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert theirs == load("melstats", RATE, nowhere).sha256


def test_each_rate_has_a_graph_of_its_own() -> None:
    rates = (8_000, RATE, 22_050, 256_000, 500_000)
    graphs = {load("melstats", rate, nowhere).sha256 for rate in rates}
    assert len(graphs) == len(rates)


def test_importing_the_table_imports_no_librosa() -> None:
    code = "import sys, retrain.backbones; assert 'librosa' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("rate", "options", "spec"),
    [
        (22_050, {"n_fft": 1024, "hop": 256, "bands": 80}, MelStats(22_050, 1024, 256, 80)),
        (RATE, {"fmin": 100, "fmax": 4_000}, MelStats(fmin=100, fmax=4_000)),
        (
            384_000,
            {"fmin": 12_000.0, "fmax": 150_000.0, "lags": [1, 2]},
            MelStats(384_000, 1024, 512, fmin=12_000, fmax=150_000, lags=(1, 2)),
        ),
    ],
    ids=["birds", "a narrow range", "bats"],
)
def test_an_application_chooses_its_parameters(
    rate: int, options: dict[str, Any], spec: MelStats
) -> None:
    chosen = load("melstats", rate, nowhere, options)
    assert chosen.graph.graph == spec.build().graph
    assert chosen.dim == spec.dim
    assert chosen.sha256 != load("melstats", rate, nowhere).sha256


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour": 1}, "no 'colour'.*n_fft, hop, bands"),
        ({"sample_rate": 8_000}, "no 'sample_rate'"),
        ({"n_fft": 512.5}, "n_fft must be like its default 512"),
        ({"hop": 0}, "hop must be"),
        ({"bands": True}, "bands must be"),
        ({"fmin": "low"}, "fmin must be"),
        ({"lags": 4}, "lags must be"),
        ({"lags": []}, "lags must be"),
        ({"n_fft": 1_024, "hop": 512}, "a smaller n_fft or hop"),
        ({"fmax": 9_000}, "fmax lies below 8000 Hz"),
        ({"fmin": 5_000, "fmax": 4_000}, "fmin well below fmax"),
        ({"bands": 400}, "too narrow"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadApplication, match=says):
        built(RATE, **options)
