"""Fetched networks are equal to what their publishers' files say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from earshot.detector import open_session
from earshot.recording import Waveform
from networks import Array, Serve, noise, run, servers, told

from retrain.backbones import Backbone, load
from retrain.backbones.folder import BackboneFolder
from retrain.export import Embedder

# The largest difference from a publisher's network behind a front end by numpy.
TOLERANCE = 1e-3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneFolder:
    monkeypatch.setenv("EARSHOT_BACKBONES", str(tmp_path / "kept"))
    return BackboneFolder.of_user()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with servers() as serve:
        yield serve


def mn04_by_numpy(data: Path, samples: Array) -> Array:
    """The publisher's network behind its front end, as the README beside the file has it."""
    with np.load(data / "frontend_32k.npz") as front:
        mel, window = front["mel"], front["window"]
    sharp = np.pad(samples[1:] - 0.97 * samples[:-1], 512, mode="reflect")
    spectrum = librosa.stft(sharp, n_fft=1024, hop_length=320, window=window, center=False)
    log_mel = (np.log(mel @ np.abs(spectrum) ** 2 + 1e-5) + 4.5) / 5
    session = open_session((data / "mn04_as.onnx").read_bytes())
    answers = session.run(
        ["embedding", "embedding2"], {"mel": log_mel[np.newaxis].astype(np.float32)}
    )
    return np.concatenate(answers, axis=1)


def yamnet_by_numpy(data: Path, samples: Array) -> Array:
    with np.load(data / "frontend_16k.npz") as front:
        mel, window = front["mel"], front["win"]
    heard = np.pad(samples, (0, max(0, 15_600 - len(samples))))
    frames = librosa.util.frame(heard, frame_length=400, hop_length=160, axis=0) * window
    log_mel = np.log(np.abs(np.fft.rfft(frames, 512)) @ mel.T + 0.001)
    patches = [log_mel[at : at + 96] for at in range(0, len(log_mel) - 95, 48)]
    session = open_session((data / "yamnet_official.onnx").read_bytes())
    (answers,) = session.run(["embedding"], {"mel": np.stack(patches).astype(np.float32)})
    return np.asarray(answers.mean(axis=0, keepdims=True))


NETWORKS = {
    "mn04": ("efficientat_mn04", 32_000, 896, mn04_by_numpy),
    "yamnet": ("yamnet", 16_000, 1_024, yamnet_by_numpy),
}


@pytest.fixture(params=NETWORKS)
def network(
    request: pytest.FixtureRequest,
    data_dir: Path,
    serve: Serve,
    folder: BackboneFolder,
) -> tuple[str, Path, Backbone]:
    """A network that was fetched from a copy of its publisher's file."""
    name: str = request.param
    data = data_dir / "backbones" / NETWORKS[name][0]
    if not data.is_dir():
        pytest.skip(f"the publishers' files are not here: there is no {data}")
    answer = told("fetch", name, "--url", serve(data))
    backbone = load(name, 16_000, folder.read)
    assert answer["sha256"] == backbone.sha256
    return name, data, backbone


def test_a_fetched_network_hears_as_its_publishers_does(
    network: tuple[str, Path, Backbone], data_dir: Path
) -> None:
    name, data, backbone = network
    _, rate, dim, by_numpy = NETWORKS[name]
    assert (backbone.name, backbone.sample_rate, backbone.dim) == (name, rate, dim)
    clips = [noise(rate // 10)[0], noise(rate * 3 + 77)[0], noise(15_600)[0]]
    for path in sorted((data_dir / "esc10").rglob("*.flac"))[::80]:
        samples, _ = soundfile.read(path, dtype="float32")
        clips.append(samples)
    for samples in clips:
        ours = run(backbone.graph, samples[np.newaxis])
        np.testing.assert_allclose(ours, by_numpy(data, samples), atol=TOLERANCE)


def test_a_fetched_network_hears_a_batch_silence_and_the_shortest_recording(
    network: tuple[str, Path, Backbone],
) -> None:
    backbone = network[2]
    tenth = backbone.sample_rate // 10
    batch = np.concatenate([noise(tenth, 2), np.zeros((1, tenth), dtype=np.float32)])
    heard = run(backbone.graph, batch)
    assert heard.shape == (3, backbone.dim)
    assert np.isfinite(heard).all()
    alone = np.concatenate([run(backbone.graph, one[np.newaxis]) for one in batch])
    np.testing.assert_allclose(heard, alone, atol=TOLERANCE)


def test_ultrasound_is_heard_slowed_down(
    network: tuple[str, Path, Backbone], folder: BackboneFolder
) -> None:
    name, _, audible = network
    bats = load(name, 384_000, folder.read)
    assert bats.sample_rate == 384_000
    assert bats.sha256 != audible.sha256
    call = Waveform(noise(96_000)[0], 384_000)
    slowed = Waveform(call.samples, audible.sample_rate)
    np.testing.assert_array_equal(
        Embedder(bats, window_s=1.0, hop_s=1.0)(call),
        Embedder(audible, window_s=60.0, hop_s=60.0)(slowed),
    )
    # Birds are no ultrasound: they are resampled to the rate that the network knows.
    assert load(name, 22_050, folder.read).sha256 == audible.sha256
