"""Clips: a detection's surest window with a little around it, in what any player reads."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from earshot.field.clips import MOST_FRAMES, MOST_S, around, encode, media_type, suffix_at
from hypothesis import given
from hypothesis import strategies as st


def test_a_clip_has_a_second_before_and_after() -> None:
    clip = around(32.0, 4.0, 60.0, 16_000, "3f1c22ab4240")
    assert (clip.start_s, clip.end_s) == (31.0, 37.0)
    assert clip.name == "3f1c22ab4240-000031.000-000037.000.flac"


@given(
    st.floats(0, 600_000),
    st.sampled_from([0.5, 1.0, 4.0, 10.0, 30.0]),
    st.floats(0.1, 40),
    st.integers(4_000, 500_000),
)
def test_it_is_short_holds_the_middle_and_is_of_the_recording(
    peak_s: float, window_s: float, after_s: float, rate: int
) -> None:
    duration_s = peak_s + after_s
    clip = around(peak_s, window_s, duration_s, rate, "0" * 12)
    middle_s = (peak_s + min(peak_s + window_s, duration_s)) / 2
    assert -0.001 <= clip.start_s <= middle_s <= clip.end_s <= duration_s + 0.001
    assert clip.end_s - clip.start_s <= min(MOST_S, MOST_FRAMES / rate) + 0.002


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 22_050, 44_100, 96_000, 384_000, 500_000])
@pytest.mark.parametrize("odd", [0, 1, 7])
def test_every_rate_can_be_kept_and_read_back(rate: int, odd: int) -> None:
    clip = around(0.0, 1.0, 1.0, rate + odd, "0" * 12)
    tone = np.sin(np.arange(4_000) / 20).astype(np.float32) / 2
    content = encode(tone, rate + odd, clip.name)
    samples, read_rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert read_rate == rate + odd
    np.testing.assert_allclose(samples, tone, atol=2 / 32768)
    kind = soundfile.info(io.BytesIO(content)).format
    assert media_type(clip.name) == f"audio/{kind.lower()}"


@pytest.mark.parametrize("rate", [48_000, 96_001])
def test_the_longest_clip_fits_into_an_answer_even_if_it_is_noise(rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, MOST_FRAMES).astype(np.float32)
    content = encode(noise, rate, suffix_at(rate))
    # Base64 inside Lambda's 6 MB.
    assert len(content) * 4 / 3 < 5_500_000


def test_a_clip_is_flac_where_flac_takes_the_rate() -> None:
    kinds = {
        rate: around(0.0, 1.0, 1.0, rate, "0" * 12).name[-4:]
        for rate in (16_000, 65_535, 65_536, 96_000, 96_001, 384_000)
    }
    assert kinds == {
        16_000: "flac",
        65_535: "flac",
        65_536: ".wav",
        96_000: "flac",
        96_001: ".wav",
        384_000: "flac",
    }
