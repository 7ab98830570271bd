from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import REPOSITORY
from earshot.application import Application
from earshot.audio import decode

from infra.local.sounds import REPERTOIRES

if TYPE_CHECKING:
    from infra.local.sounds.primitives import Maker

APPLICATIONS = {path.stem: path for path in (REPOSITORY / "infra" / "applications").glob("*.toml")}
MAKERS = [
    pytest.param(repertoire.sample_rate, maker, id=f"{application}-{label}")
    for application, repertoire in REPERTOIRES.items()
    for label, maker in repertoire.sounds.items()
]


def test_every_application_that_is_shipped_can_be_shown() -> None:
    assert REPERTOIRES.keys() == APPLICATIONS.keys()


@pytest.mark.parametrize("name", REPERTOIRES)
def test_sounds_are_of_the_labels_and_the_rate_that_an_application_has(name: str) -> None:
    application, repertoire = Application.load(APPLICATIONS[name]), REPERTOIRES[name]
    assert repertoire.sample_rate == application.sample_rate
    assert repertoire.alarming in repertoire.sounds
    if application.open_labels:
        assert len(repertoire.sounds) >= 2
    else:
        assert set(repertoire.sounds) == set(application.labels)


@pytest.mark.parametrize(("rate", "maker"), MAKERS)
def test_a_sound_is_audio_that_only_its_seed_decides(rate: int, maker: Maker) -> None:
    first, again, other = (maker(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or (first != other).any()
    assert first.dtype == np.float32
    assert len(first) >= 0.1 * rate
    assert np.isfinite(first).all()
    assert 0 < np.abs(first).max() <= 1


@pytest.mark.parametrize(
    ("label", "low_hz", "high_hz"),
    [
        ("rhinolophus", 93e3, 114e3),
        ("myotis", 28e3, 92e3),
        ("pipistrellus", 45e3, 88e3),
    ],
)
def test_a_bat_calls_in_its_species_band(label: str, low_hz: float, high_hz: float) -> None:
    repertoire = REPERTOIRES["bats"]
    sound = repertoire.sounds[label](np.random.default_rng(5))
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / repertoire.sample_rate)
    inside = (frequency > low_hz) & (frequency < high_hz)
    assert power[inside].sum() > 0.9 * power.sum()


@pytest.mark.parametrize("name", REPERTOIRES)
def test_an_application_brings_a_sound_of_each_label(name: str) -> None:
    examples = Application.load(APPLICATIONS[name]).examples
    assert set(examples) == set(REPERTOIRES[name].sounds)
    for file in examples.values():
        assert decode(file.read_bytes()).sample_rate == REPERTOIRES[name].sample_rate
