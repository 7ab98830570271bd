from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from conftest import DEFAULT_BUNDLE, Aws, clip, encode, sound
from earshot.audio import resample
from earshot.bundle import Bundle
from earshot.detector import Detector, open_session
from earshot.errors import UnsupportedFormat
from earshot.explanation import (
    BANDS,
    TIMES,
    band_edges,
    explain,
    frame_length,
    istft,
    occlusions,
    stft,
)
from earshot.recording import Waveform
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from predict.app import create_app
from retrain import export, heads
from retrain.backbones import Backbone, melstats
from retrain.commands.explain import explain as explain_command
from retrain.dataset import Clip, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from earshot.recording import Explanation, Samples
    from earshot.services import Services

RATE = 16_000
WINDOW_S = 4.0


def noise(seed: int, duration_s: float = WINDOW_S) -> Samples:
    random = np.random.default_rng(seed)
    return (0.02 * random.standard_normal(round(duration_s * RATE))).astype(np.float32)


def with_tone(
    samples: Samples, pitch_hz: float, start_s: float, duration_s: float = 0.3
) -> Samples:
    """A tone burst that swells and fades, in what is already there."""
    time = np.arange(round(duration_s * RATE)) / RATE
    burst = 0.2 * np.sin(np.pi * time / duration_s) ** 2 * np.sin(2 * np.pi * pitch_hz * time)
    planted = samples.copy()
    at = round(start_s * RATE)
    planted[at : at + len(burst)] += burst
    return planted


@pytest.fixture(scope="module")
def listener(default_bundle: Bundle) -> Detector:
    """A model that tells noise with a tone in it, of any pitch and at any time, from noise."""
    backbone = Backbone.of("melstats", melstats.MelStats().build(), RATE)
    session = open_session(backbone.content)
    random = np.random.default_rng(0)

    def heard(label: str, seed: int) -> Clip:
        samples = noise(seed)
        if label == "tone":
            pitch = np.exp(random.uniform(np.log(250), np.log(7000)))
            samples = with_tone(samples, pitch, random.uniform(0, 3.6))
        (embedding,) = session.run(["embedding"], {"waveform": samples[np.newaxis]})
        return Clip(f"{label} {seed}", label, f"{label} {seed}", embedding)

    clips = [heard(label, seed) for label in ("noise", "tone") for seed in range(150)]
    dataset = split(clips, ("noise", "tone"))
    head = heads.fit(dataset, (), lambda *_: None)
    assert head.unseen_accuracy > 0.95
    model = export.fuse(backbone, head)
    card = replace(
        default_bundle.card,
        labels=dataset.labels,
        thresholds=head.thresholds,
        novelty_threshold=head.novelty_threshold,
        embedding_dim=head.dim,
        model_sha256=hashlib.sha256(model).hexdigest(),
    )
    return Detector(Bundle(card, model))


def explained(detector: Detector, samples: Samples, rate: int = RATE) -> Explanation:
    waveform = Waveform(samples, rate)
    hearing = detector.hear(waveform)
    label = detector.judge(hearing, waveform.duration_s).label
    return explain(detector, waveform, hearing, label)


def holds(edges: tuple[float, ...], place: int, value: float) -> bool:
    return edges[place] <= value <= edges[place + 1]


@pytest.mark.parametrize("start_s", [0.05, 1.3, 2.42, 3.68])
@pytest.mark.parametrize("pitch_hz", [420.0, 1000.0, 3300.0, 6700.0])
def test_a_planted_tone_is_found_where_it_is(
    listener: Detector, pitch_hz: float, start_s: float
) -> None:
    found = explained(listener, with_tone(noise(1001), pitch_hz, start_s))
    assert found.label == "tone"
    importance = np.array(found.importance)
    band, time = np.unravel_index(importance.argmax(), importance.shape)
    assert holds(found.frequencies_hz, int(band), pitch_hz)
    assert holds(found.times_s, int(time), start_s + 0.15)
    # Not a little above the others.
    assert importance.max() > 3 * np.delete(importance, importance.argmax()).max()


def test_a_tone_that_never_stops_is_found_by_its_band(listener: Detector) -> None:
    time = np.arange(round(WINDOW_S * RATE)) / RATE
    tone = noise(1002) + 0.1 * np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    found = explained(listener, tone)
    assert found.label == "tone"
    assert holds(found.frequencies_hz, int(np.argmax(found.band_importance)), 1000)


def test_a_burst_is_found_by_its_time(listener: Detector) -> None:
    found = explained(listener, with_tone(noise(1003), 2000, 2.8))
    assert holds(found.times_s, int(np.argmax(found.time_importance)), 3.0)


def test_of_a_long_recording_the_window_that_says_it_most_is_explained(
    listener: Detector,
) -> None:
    parts = [noise(seed) for seed in range(1010, 1013)]
    waveform = Waveform(with_tone(np.concatenate([*parts, noise(9, 1.5)]), 1000, 9.2), RATE)
    found = explain(listener, waveform, listener.hear(waveform), "tone")
    assert (found.start_s, found.end_s) == (8.0, 12.0)
    importance = np.array(found.importance)
    band, time = np.unravel_index(importance.argmax(), importance.shape)
    assert holds(found.frequencies_hz, int(band), 1000)
    assert holds(found.times_s, int(time), 9.4)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_a_recording_at_another_rate_is_explained_at_the_models(
    listener: Detector, rate: int
) -> None:
    there = resample(Waveform(with_tone(noise(1004), 1000, 1.2), RATE), rate)
    found = explain(listener, there, listener.hear(there), "tone")
    assert (found.times_s[0], found.times_s[-1]) == (0, 4)
    assert found.frequencies_hz[-1] == RATE / 2


@given(
    st.integers(1, 5000),
    st.sampled_from([64, 128, 512]),
    st.integers(0, 2**32 - 1),
)
def test_nothing_masked_is_nothing_changed(length: int, frame: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32)
    again = istft(stft(samples, frame), frame)[frame // 2 :][:length]
    np.testing.assert_allclose(again, samples, atol=2e-6)


@given(st.integers(1600, 20_000), st.integers(1, TIMES), st.integers(0, 2**32 - 1))
def test_the_cells_of_a_band_lose_what_the_band_loses(length: int, times: int, seed: int) -> None:
    samples = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    times = min(times, length // frame_length(RATE))
    edges = np.linspace(0, length, times + 1) / RATE
    without = np.array(list(occlusions(samples, RATE, edges, band_edges(RATE))))
    lost = (samples - without).reshape(BANDS + 1, times + 1, length)
    np.testing.assert_allclose(lost[:-1, :-1].sum(axis=(0, 1)), lost[-1, -1], atol=1e-4)
    np.testing.assert_allclose(lost[:-1, :-1].sum(axis=1), lost[:-1, -1], atol=1e-4)
    np.testing.assert_allclose(lost[:-1, :-1].sum(axis=0), lost[-1, :-1], atol=1e-4)


@pytest.mark.parametrize("loud", [1.0, 0.1, 0.001])
def test_what_is_taken_out_gives_way_to_the_recordings_own_noise(loud: float) -> None:
    samples = loud * with_tone(noise(0), 1000, 1.2)
    edges = np.linspace(0, WINDOW_S, TIMES + 1)
    *_, floor = occlusions(samples, RATE, edges, band_edges(RATE))
    assert floor.std() == pytest.approx(loud * noise(0).std(), rel=0.1)


def test_an_occlusion_stays_where_it_is() -> None:
    samples = noise(0)
    edges = np.linspace(0, WINDOW_S, TIMES + 1)
    for number, quiet in enumerate(occlusions(samples, RATE, edges, band_edges(RATE))):
        cell = number % (TIMES + 1)
        if cell < TIMES:
            changed = np.flatnonzero(quiet != samples) / RATE
            # A fade of a quarter of a cell, and half a frame.
            assert changed.min() >= edges[cell] - 0.12
            assert changed.max() <= edges[cell + 1] + 0.12


def test_an_occlusion_makes_no_click() -> None:
    time = np.arange(4 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32) + noise(0)
    steepest = np.abs(np.diff(tone, 2)).max()
    edges = np.linspace(0, 4, TIMES + 1)
    for quiet in occlusions(tone, RATE, edges, band_edges(RATE)):
        assert np.abs(np.diff(quiet, 2)).max() < 1.1 * steepest


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000, 44_100, 48_000])
def test_bands_are_equal_in_mel(rate: int) -> None:
    edges = band_edges(rate)
    assert len(edges) == BANDS + 1
    assert (edges[0], edges[-1]) == (0, rate / 2)
    mel = 2595 * np.log10(1 + edges / 700)
    np.testing.assert_allclose(np.diff(mel), mel[-1] / BANDS)


def test_bands_of_ultrasound_are_equal_in_hz() -> None:
    np.testing.assert_allclose(np.diff(band_edges(256_000)), 16_000)


@pytest.mark.parametrize(
    ("duration_s", "times"), [(0.1, 3), (0.2, 6), (0.5, TIMES), (4.0, TIMES), (9.3, TIMES)]
)
def test_the_grid_covers_the_stretch(listener: Detector, duration_s: float, times: int) -> None:
    found = explained(listener, noise(5, duration_s))
    assert np.shape(found.importance) == (BANDS, times)
    assert np.shape(found.band_importance) == (BANDS,)
    assert np.shape(found.time_importance) == (times,)
    assert len(found.frequencies_hz) == BANDS + 1
    assert (found.frequencies_hz[0], found.frequencies_hz[-1]) == (0, RATE / 2)
    assert (found.times_s[0], found.times_s[-1]) == (found.start_s, found.end_s)
    np.testing.assert_allclose(np.diff(found.times_s), found.times_s[1] - found.start_s, atol=1e-3)
    assert found.end_s - found.start_s == pytest.approx(min(duration_s, WINDOW_S), abs=1e-3)


def test_in_silence_there_is_nothing_to_take_away(default_bundle: Bundle) -> None:
    found = explained(Detector(default_bundle), np.zeros(4 * RATE, dtype=np.float32))
    assert not np.any(found.importance)


@pytest.mark.parametrize(
    "samples", [np.ones(64_000), np.tile([1.0, -1.0], 32_000), np.eye(1, 9999)]
)
def test_strange_sounds_are_explained(
    default_bundle: Bundle, samples: np.ndarray[Any, Any]
) -> None:
    found = explained(Detector(default_bundle), samples.reshape(-1).astype(np.float32))
    assert np.isfinite(found.importance).all()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def test_the_api_explains_when_asked(client: TestClient) -> None:
    plain = client.post("/predict", files={"file": ("x.wav", clip("siren"))}).json()
    assert "explanation" not in plain
    answer = client.post("/predict?explain=true", files={"file": ("x.wav", clip("siren"))})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    found = body["explanation"]
    assert set(found) == {
        "label", "start_s", "end_s", "baseline_confidence", "times_s", "frequencies_hz",
        "importance", "band_importance", "time_importance", "unit", "method",
    }  # fmt: skip
    assert found["label"] == body["label"] == plain["label"]
    assert (found["start_s"], found["end_s"]) == (0, 4)
    # One window: it is the whole answer.
    assert found["baseline_confidence"] == pytest.approx(body["confidence"], abs=1e-5)
    assert np.shape(found["importance"]) == (BANDS, TIMES)
    assert np.any(found["importance"])
    assert (found["unit"], found["method"]) == ("nats", "occlusion")


def test_an_explanation_counts_as_one_prediction(client: TestClient, services: Services) -> None:
    client.post("/predict?explain=true", content=clip("siren"))
    assert services.statistics.totals().predictions == 1


@pytest.mark.parametrize("duration_s", [0.1, 12.5])
def test_the_api_explains_short_and_long(client: TestClient, duration_s: float) -> None:
    samples = np.resize(sound("gunshot"), round(duration_s * RATE))
    answer = client.post("/predict?explain=true", files={"file": ("x.wav", encode(samples))})
    assert answer.status_code == 200, answer.text
    found = answer.json()["explanation"]
    assert 0 <= found["start_s"] < found["end_s"] <= duration_s


def test_what_cannot_be_heard_is_not_explained(client: TestClient, aws: Aws) -> None:
    answer = client.post("/predict?explain=true", content=clip("siren")[:5000])
    assert (answer.status_code, answer.json()["code"]) == (422, "truncated_recording")
    answer = client.post("/predict?explain=perhaps", content=clip("siren"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_the_command_draws_what_the_api_answers(client: TestClient, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(explain_command)
    recording, out = tmp_path / "a siren.wav", tmp_path / "new" / "folder"
    recording.write_bytes(clip("siren"))
    done = CliRunner().invoke(app, [str(DEFAULT_BUNDLE), str(recording), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "a siren.wav.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "a siren.wav.json").read_text())
    answer = client.post("/predict?explain=true", content=clip("siren")).json()["explanation"]
    assert {name: answer[name] for name in found} == found


def test_the_command_refuses_what_is_no_recording(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(explain_command)
    text = tmp_path / "text.wav"
    text.write_text("not audio")
    done = CliRunner().invoke(app, [str(DEFAULT_BUNDLE), str(text), "--out", str(tmp_path / "o")])
    assert isinstance(done.exception, UnsupportedFormat)
    assert not (tmp_path / "o").exists()
