"""Noise that is taught: what it is made of, and that any application can have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import REPOSITORY
from earshot.application import Application
from earshot.recording import Waveform

from retrain.noise import DRAWS, STEADY_DB, coloured, embed_noises, steady_noises

if TYPE_CHECKING:
    from earshot.recording import Samples

APPLICATIONS = sorted((REPOSITORY / "infra" / "applications").glob("*.toml"))


@pytest.mark.parametrize("path", APPLICATIONS, ids=lambda path: path.stem)
def test_any_application_has_noise_of_its_rate_at_most_a_window_long(path: Path) -> None:
    application = Application.load(path)
    rate, window = application.sample_rate, round(application.sample_rate * application.window_s)

    def embed(sound: Waveform) -> Samples:
        assert sound.sample_rate == rate
        assert window / 4 - 1 <= len(sound.samples) <= window
        assert np.isfinite(sound.samples).all()
        level_db = 20 * np.log10(sound.samples.std())
        # What is clipped at full scale is softer for it.
        assert STEADY_DB[0] - 0.1 < level_db < STEADY_DB[1] + 0.1
        assert np.abs(sound.samples).max() <= 1
        return sound.samples[np.newaxis, :8]

    assert embed_noises(rate, application.window_s, embed).shape == (DRAWS, 8)


def test_noise_is_the_same_each_time_and_no_two_are_alike() -> None:
    once, again = ([one.sha256 for one in steady_noises(16_000, 1.0)] for _ in range(2))
    assert once == again
    assert len(set(once)) == DRAWS


@pytest.mark.parametrize("slope", [-2, -1, 0, 1])
def test_power_rises_by_the_slope_between_the_cuts_and_is_nothing_beyond(slope: float) -> None:
    white = np.random.default_rng(0).standard_normal(1 << 16)
    power = np.abs(np.fft.rfft(coloured(white, slope, 0.1, 0.5))) ** 2
    share = np.linspace(0, 1, len(power))
    assert power[(share < 0.099) | (share > 0.501)].max() < 1e-9 * power.max()

    def mean(low: float, high: float) -> float:
        return float(power[(share > low) & (share < high)].mean())

    octaves = np.log2(mean(0.4, 0.42) / mean(0.2, 0.21))
    assert octaves == pytest.approx(slope, abs=0.3)
