from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY
from earshot.application import Application
from earshot.recording import Waveform
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain import augment, copies, heads
from retrain.augment import Level, Noise, PitchShift, Shift, TimeStretch, alter, alterations
from retrain.copies import alter_clips, pack, plan, teach_silence, unpack
from retrain.dataset import Clip, combine, split
from retrain.noise import silences

RATE = 16_000
LISTENS = Application("town", ("a", "b"), RATE, window_s=4.0, hop_s=4.0, backbone="melstats")
ALTERATIONS = [Level(), Noise(), Shift(), PitchShift(), TimeStretch()]


def waveform(seed: int = 0, duration_s: float = 1.0, rate: int = RATE) -> Waveform:
    random = np.random.default_rng(seed)
    n = round(duration_s * rate)
    tone = 0.3 * np.sin(2 * np.pi * 0.05 * np.arange(n)) + 0.02 * random.standard_normal(n)
    return Waveform(tone.astype(np.float32), rate)


def power(samples: Any) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


@pytest.mark.parametrize("how", ALTERATIONS, ids=repr)
def test_a_copy_is_the_same_whenever_it_is_made_and_another_for_each_number(
    how: augment.Alteration,
) -> None:
    original = waveform()
    once, again = alter(original, [how], 1), alter(waveform(), [how], 1)
    assert once.sha256 == again.sha256
    assert len({original.sha256, once.sha256, alter(original, [how], 2).sha256}) == 3
    assert alter(waveform(seed=1), [how], 1).sha256 != once.sha256


@settings(max_examples=40, deadline=None)
@given(
    how=st.sampled_from(ALTERATIONS),
    seed=st.integers(0, 1000),
    duration_s=st.floats(0.1, 1.5),
    rate=st.sampled_from([4_000, 11_025, 16_000, 44_100, 384_000]),
    level=st.sampled_from([0.0, 1e-6, 1.0, 3.0]),
)
def test_a_copy_is_a_recording_like_its_clip(
    how: augment.Alteration, seed: int, duration_s: float, rate: int, level: float
) -> None:
    original = waveform(seed, duration_s, rate)
    original = replace(original, samples=level * original.samples)
    copy = alter(original, [how], seed)
    assert copy.sample_rate == rate
    assert copy.samples.dtype == np.float32
    assert np.isfinite(copy.samples).all()
    assert np.abs(copy.samples).max() <= 1
    if isinstance(how, TimeStretch):
        assert 0.79 < copy.duration_s / original.duration_s < 1.26
        assert len(copy.samples) >= int(0.1 * rate)
    else:
        assert len(copy.samples) == len(original.samples)


def test_of_a_long_recording_a_part_is_altered() -> None:
    long = waveform(duration_s=100, rate=4_000)
    assert alter(long, [Shift()], 0).duration_s == augment.LONGEST_S


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("snr_db", [10.0, 30.0])
def test_noise_lies_as_far_below_the_sound_as_is_said(snr_db: float, seed: int) -> None:
    original = waveform(seed)
    noisy = Noise(snr_db, snr_db)(original, np.random.default_rng(seed))
    ratio = power(original.samples) / power(noisy - original.samples)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_some_noise_is_white_and_some_is_pink() -> None:
    original = waveform(duration_s=4)
    slopes = []
    for seed in range(8):
        noise = Noise()(original, np.random.default_rng(seed)) - original.samples
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        low, high = spectrum[100:1000].mean(), spectrum[10_000:30_000].mean()
        slopes.append(10 * np.log10(low / high))
    # Between about 100 Hz and 5 kHz, pink falls by some 16 dB.
    assert all(abs(slope) < 2 or 12 < slope < 20 for slope in slopes)
    assert {slope > 6 for slope in slopes} == {True, False}


def peak_hz(samples: Any, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_tone_moves_by_two_semitones_at_most(seed: int) -> None:
    copy = alter(waveform(seed), [PitchShift()], 0)
    semitones = 12 * np.log2(peak_hz(copy.samples, RATE) / 800)
    assert 0 < abs(semitones) < 2.1


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_stretched_tone_keeps_its_pitch(seed: int) -> None:
    copy = alter(waveform(seed), [TimeStretch()], 0)
    assert peak_hz(copy.samples, RATE) == pytest.approx(800, abs=10)


def test_a_bats_pitch_and_tempo_are_left_alone() -> None:
    for_bats, for_birds = (
        {type(how) for number in range(8) for how in alterations(number, rate)}
        for rate in (384_000, 22_050)
    )
    assert not for_bats & {PitchShift, TimeStretch}
    assert for_birds >= {PitchShift, TimeStretch}


class Ear:
    """Embeds, and counts how often: ``[1, 3]``, other numbers for other sounds."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, sound: Waveform) -> Any:
        self.heard.append(sound.sha256)
        loud = float(np.abs(sound.samples).mean())
        return np.array([[loud, power(sound.samples), len(sound.samples) / RATE]], dtype=np.float32)


def clips_of(label: str, count: int, per_recording: int = 1, **more: Any) -> list[Clip]:
    """Clips with audio; what is held out is decided by the group, as ever."""

    def made(n: int) -> Clip:
        audio = partial(waveform, n, duration_s=0.2, rate=4_000)
        group = f"{label} {n // per_recording}"
        embedding = np.full((1, 3), n, dtype=np.float32)
        return Clip(f"{label} {n}", label, group, embedding, audio, **more)

    return [made(n) for n in range(count)]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.integers(1, 700), st.integers(1, 9))
    )
)
def test_what_is_planned_is_bounded(counts: dict[str, tuple[int, int]]) -> None:
    clips = [clip for label, (n, per) in counts.items() for clip in clips_of(label, n, per)]
    by_sha256 = {clip.sha256: clip for clip in clips}
    wanted = plan(clips)
    assert not [sha256 for sha256 in wanted if by_sha256[sha256].held_out]
    of_label: Counter[str] = Counter()
    for sha256, count in wanted.items():
        of_label[by_sha256[sha256].label] += count
    assert max(wanted.values(), default=1) <= copies.MOST_PER_CLIP
    assert min(wanted.values(), default=1) >= 1
    for label in {clip.label for clip in clips}:
        mine = [clip for clip in clips if clip.label == label and not clip.held_out]
        if len({clip.group for clip in mine}) < 5:
            assert label not in of_label
            continue
        assert 0 < of_label[label] <= copies.MOST_OF_OTHERS
        several = [clip for clip in mine if wanted.get(clip.sha256, 0) > 1]
        if several:
            assert of_label[label] <= copies.MOST_OF_FEW


def test_labels_with_few_recordings_get_several_copies_the_rarest_first() -> None:
    wanted = plan([*clips_of("common", 300), *clips_of("rare", 10), *clips_of("rarer", 7)])
    each = {
        label: {n for s, n in wanted.items() if s.split()[0] == label}
        for label in ("common", "rare", "rarer")
    }
    assert each["common"] == {1}
    assert 1 < max(each["rare"]) <= max(each["rarer"]) <= copies.MOST_PER_CLIP
    assert list(dict.fromkeys(sha256.split()[0] for sha256 in wanted)) == [
        "rarer",
        "rare",
        "common",
    ]


def test_copies_are_spread_over_the_recordings() -> None:
    tape = [replace(c, group="tape", sha256=f"0 {c.sha256}") for c in clips_of("a", 900)]
    others = clips_of("a", 100)
    wanted = plan([*tape, *others])
    assert {c.sha256 for c in others if not c.held_out} <= wanted.keys()


def test_what_is_held_out_is_never_altered() -> None:
    clips = [*clips_of("a", 60), *clips_of("b", 12, per_recording=2)]
    ear = Ear()
    altered = alter_clips(clips, LISTENS, ear).clips
    dataset = split(altered, ())
    assert dataset.held_out
    assert all(clip.copies is None for clip in dataset.held_out)
    assert all(clip.copies is not None and len(clip.copies) for clip in dataset.training)
    assert [clip.sha256 for clip in altered] == [clip.sha256 for clip in clips]


def test_nothing_is_learnt_from_a_fold_that_it_is_judged_by() -> None:
    """A copy betrays its clip here: whoever learnt from it would know the answer."""
    random = np.random.default_rng(0)

    def one(n: int) -> Clip:
        secret = random.standard_normal((1, 40)).astype(np.float32)
        return Clip(f"{n}", "ab"[n % 2], f"{n}", secret, copies=np.repeat(secret, 4, axis=0))

    head = heads.fit(split([one(n) for n in range(400)], ()), (), lambda *_: None)
    assert head.unseen_accuracy < 0.65


def test_kept_copies_are_not_made_again() -> None:
    clips = [*clips_of("a", 12), *clips_of("b", 12)]
    ear = Ear()
    first = alter_clips(clips, LISTENS, ear)
    made = len(ear.heard)
    assert made == len(first.copies) == sum(plan(clips).values())
    second = alter_clips(clips, LISTENS, ear, known=unpack(pack(first.copies)))
    assert len(ear.heard) == made
    assert second.copies.keys() == first.copies.keys()
    for mine, theirs in zip(first.clips, second.clips, strict=True):
        np.testing.assert_array_equal(mine.copies, theirs.copies)

    more = alter_clips([*clips, *clips_of("a", 16)[12:]], LISTENS, ear, known=first.copies)
    assert len(ear.heard) - made == len(more.copies.keys() - first.copies.keys()) > 0


@pytest.mark.parametrize("changed", ["bounds", "version"])
def test_copies_made_in_another_way_are_made_anew(
    monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    clips = [*clips_of("a", 60), *clips_of("b", 60)]
    ear = Ear()
    known = alter_clips(clips, LISTENS, ear).copies
    made = len(ear.heard)
    if changed == "bounds":
        monkeypatch.setattr(augment, "FIRST", (Level(gain_db=6.0),))
    else:
        monkeypatch.setattr(copies, "VERSION", augment.VERSION + 1)
    again = alter_clips(clips, LISTENS, ear, known=known)
    assert len(ear.heard) == 2 * made
    assert not again.copies.keys() & known.keys()


def test_a_run_makes_so_many_and_leaves_the_rest_to_the_next() -> None:
    clips = [*clips_of("common", 100), *clips_of("rare", 8)]
    ear = Ear()
    planned = sum(plan(clips).values())
    known: Any = {}
    put_off: list[int] = []
    while not put_off or put_off[-1]:
        done = alter_clips(clips, LISTENS, ear, known=known, at_most=40)
        known = done.copies
        put_off.append(done.put_off)
    assert put_off == [max(planned - 40 * n, 0) for n in range(1, len(put_off) + 1)]
    assert len(ear.heard) == planned
    whole = alter_clips(clips, LISTENS, Ear())
    for by_and_by, at_once in zip(done.clips, whole.clips, strict=True):
        np.testing.assert_array_equal(by_and_by.copies, at_once.copies)


def test_a_clip_that_is_gone_is_looked_for_once() -> None:
    asked: list[None] = []
    gone = [replace(c, audio=lambda: asked.append(None)) for c in clips_of("a", 40)]
    clips = [*gone, *clips_of("b", 40)]
    first = alter_clips(clips, LISTENS, Ear())
    assert len(asked) == len([c for c in gone if not c.held_out])
    alter_clips(clips, LISTENS, Ear(), known=unpack(pack(first.copies)))
    assert len(asked) == len([c for c in gone if not c.held_out])
    assert all(c.copies is None or not len(c.copies) for c in first.clips if c.label == "a")


def test_copies_that_a_clip_has_already_are_kept() -> None:
    brought = np.ones((2, 3), dtype=np.float32)
    seed = clips_of("a", 40, copies=brought)
    ear = Ear()
    done = alter_clips(combine(seed, clips_of("b", 40)), LISTENS, ear)
    assert {c.label for c in done.clips if c.copies is not brought and c.copies is not None} == {
        "b"
    }
    assert len(ear.heard) == len(done.copies)


@pytest.mark.parametrize(
    "content", [b"", b"no archive", pack({"a": np.ones((1, 2), np.float32)})[:-30]]
)
def test_kept_copies_that_are_damaged_are_made_anew(content: bytes) -> None:
    assert unpack(content) == {}


@pytest.fixture(scope="module")
def surveillance() -> Application:
    return Application.load(REPOSITORY / "infra" / "applications" / "surveillance.toml")


@pytest.mark.parametrize("clips", [6, 200])
def test_every_silence_is_taught_however_few_clips_there_are(
    surveillance: Application, clips: int
) -> None:
    ear = Ear()
    taught = teach_silence([*clips_of("casual", clips), *clips_of("siren", 9)], surveillance, ear)
    lengths_s = [share * surveillance.window_s for share in (1, 1 / 4, 1 / 16)]
    silent = [s for each in lengths_s for s in silences(surveillance.sample_rate, each)]
    assert ear.heard == [sound.sha256 for sound in silent]
    assert sum(len(clip.copies) for clip in taught if clip.copies is not None) == len(silent)
    assert all(c.copies is None for c in taught if c.label == "siren" or c.held_out)


def test_silence_is_taught_only_where_an_application_says_what_it_is(
    surveillance: Application,
) -> None:
    ear, clips = Ear(), clips_of("casual", 20)
    assert teach_silence(clips, replace(surveillance, silence_label=None), ear) == clips
    assert teach_silence(clips_of("siren", 20), surveillance, ear)[0].copies is None
    assert not ear.heard
