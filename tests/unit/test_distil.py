"""Teaching the shipped backbone: the scenes it learns from, and the graph it becomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrain.distil.scenes import RATE, Scenes

CLIPS = [
    (np.random.default_rng(n).standard_normal(length) * 0.3).astype(np.float32)
    for n, length in enumerate((RATE // 10, RATE, 5 * RATE))
]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(RATE // 10, 4 * RATE))
def test_a_scene_is_sound_within_full_scale_and_the_same_every_time(seed: int, length: int) -> None:
    scene, again = (Scenes(CLIPS).draw(np.random.default_rng(seed), length) for _ in range(2))
    assert scene.shape == (length,)
    assert scene.dtype == np.float32
    assert np.isfinite(scene).all()
    assert np.abs(scene).max() <= 1
    assert np.array_equal(scene, again)


def test_scenes_differ_in_level_and_pass_over_silent_clips() -> None:
    scenes = Scenes([*CLIPS, np.zeros(RATE, np.float32)])
    random = np.random.default_rng(0)
    peaks = [np.abs(scenes.draw(random, RATE)).max() for _ in range(200)]
    assert np.isfinite(peaks).all()
    assert np.quantile(peaks, 0.9) > 10 * np.quantile(peaks, 0.1)


def test_the_graph_hears_what_the_student_hears() -> None:
    torch = pytest.importorskip("torch", reason="torch, which only teaching the network needs")
    from earshot.detector import open_session

    from retrain.backbones.melstats import MelStats
    from retrain.distil.graph import graph_of
    from retrain.distil.lessons import FLOOR
    from retrain.distil.student import Student

    torch.manual_seed(1)
    student = Student(answers=10)
    waveform = np.stack([Scenes(CLIPS).draw(np.random.default_rng(n), RATE) for n in range(4)])
    ears = open_session(MelStats(floor=FLOOR).build_log_mel().SerializeToString())
    log_mel = torch.tensor(ears.run(["log_mel"], {"waveform": waveform})[0])
    student(log_mel)  # in training: moves the running means that are folded into the graph
    with torch.no_grad():
        wanted = student.eval()(log_mel).numpy()
    heard = open_session(graph_of(student).SerializeToString())
    (embedding,) = heard.run(["embedding"], {"waveform": waveform})
    assert embedding[:, : wanted.shape[1]] == pytest.approx(wanted, abs=1e-4)
    statistics = open_session(MelStats().build().SerializeToString())
    (expected,) = statistics.run(["embedding"], {"waveform": waveform})
    assert embedding[:, wanted.shape[1] :] == pytest.approx(expected, abs=1e-4)
