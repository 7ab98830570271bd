from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import clip, encode, pcm
from earshot.audio import decode
from earshot.errors import BadDataset
from earshot.recording import Sample, Waveform
from hypothesis import given
from hypothesis import strategies as st

from retrain.dataset import (
    MIN_RECORDINGS,
    Clip,
    Seed,
    combine,
    from_samples,
    split,
)
from retrain.folder import labelled_files, read_clips


def made(identity: str, label: str = "siren", group: str | None = None) -> Clip:
    return Clip(identity, label, group or identity, np.ones((1, 3), dtype=np.float32))


def many(labels: dict[str, int], per_recording: int = 1) -> list[Clip]:
    return [
        made(f"{label}{n}", label, f"{label}{n // per_recording}")
        for label, count in labels.items()
        for n in range(count)
    ]


def test_about_a_fifth_of_the_recordings_is_held_out() -> None:
    share = np.mean([clip.held_out for clip in many({"siren": 5000})])
    assert 0.18 < share < 0.22


@given(st.integers(1, 5), st.integers(60, 120))
def test_a_recording_is_never_on_both_sides(per_recording: int, clips: int) -> None:
    dataset = split(many({"a": clips, "b": clips}, per_recording), ("a", "b"))
    assert not {c.group for c in dataset.training} & {c.group for c in dataset.held_out}
    assert len(dataset.training) + len(dataset.held_out) == 2 * clips


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40))
def test_new_samples_never_move_old_ones(names: list[str]) -> None:
    old = many({"a": 50, "b": 50})
    before = {c.sha256: c.held_out for c in split(old, ()).held_out}
    after = split([*old, *(made(f"new {n}", "a") for n in names)], ())
    held_out = {c.sha256 for c in after.held_out}
    assert before.keys() <= held_out
    assert not {c.sha256 for c in after.training} & before.keys()


def test_a_label_with_too_few_recordings_is_left_out_and_said() -> None:
    few = [made(f"owl{n}", "owl", group="one tape") for n in range(50)]
    dataset = split([*many({"a": 50, "b": 50}), *few], ("a", "b"))
    assert dataset.labels == ("a", "b")
    assert any("owl is left out" in note for note in dataset.notes)
    assert "owl" not in dataset.counts()


def test_labels_keep_their_order_and_new_ones_come_last() -> None:
    clips = many({"zebra": 40, "ant": 40, "siren": 40, "casual": 40})
    assert split(clips, ("siren", "casual")).labels == ("siren", "casual", "ant", "zebra")


@pytest.mark.parametrize("labels", [{}, {"a": 100}, {"a": 100, "b": MIN_RECORDINGS - 1}])
def test_nothing_to_tell_apart_is_refused(labels: dict[str, int]) -> None:
    with pytest.raises(BadDataset, match="two labels"):
        split(many(labels), ("a", "b"))


def test_nothing_to_judge_by_is_refused() -> None:
    inside = [c for c in many({"a": 60, "b": 60}) if not c.held_out]
    with pytest.raises(BadDataset, match="Add recordings"):
        split(inside, ("a", "b"))


def test_one_sound_in_two_recordings_across_the_split_is_a_leak() -> None:
    clips = many({"a": 60, "b": 60})
    out = next(c for c in clips if c.held_out)
    inside = next(c for c in clips if not c.held_out)
    twin = Clip(out.sha256, out.label, inside.group, out.embedding)
    with pytest.raises(BadDataset, match="both parts"):
        split([*clips, twin], ())


def test_old_and_new_are_learnt_together() -> None:
    seed = [made("x", "siren", "tape 1"), made("y", "casual", "tape 2")]
    samples = [made("x", "casual", "x"), made("z", "siren", "z")]
    clips = {c.sha256: c for c in combine(seed, samples)}
    assert set(clips) == {"x", "y", "z"}
    # A person has corrected the label; the part of the split must not change with it.
    assert (clips["x"].label, clips["x"].group) == ("casual", "tape 1")


def test_a_seed_comes_back_as_it_was_unless_the_backbone_changed(tmp_path: Path) -> None:
    clips = [
        Clip("x", "siren", "g", np.arange(6, dtype=np.float32).reshape(2, 3)),
        Clip("y", "été", "h", np.ones((1, 3), dtype=np.float32)),
    ]
    rain = Clip("z", "rain", "i", np.ones((2, 3), dtype=np.float32))
    Seed(clips, [rain]).save(tmp_path / "seed.npz", "backbone")
    found = Seed.load(tmp_path / "seed.npz", "backbone")
    assert [(c.sha256, c.label, c.group) for c in found.clips] == [
        ("x", "siren", "g"),
        ("y", "été", "h"),
    ]
    np.testing.assert_array_equal(found.clips[0].embedding, clips[0].embedding)
    assert [(c.sha256, c.label, len(c.embedding)) for c in found.background] == [("z", "rain", 2)]
    for seed in (
        Seed.load(tmp_path / "seed.npz", "another"),
        Seed.load(tmp_path / "none.npz", "backbone"),
    ):
        assert (list(seed.clips), list(seed.background)) == ([], [])


def test_a_seed_keeps_what_half_precision_cannot_hold(tmp_path: Path) -> None:
    loud = replace(made("x"), embedding=np.array([[70_000.0, -1e30, 0.5]], dtype=np.float32))
    Seed([loud]).save(tmp_path / "seed.npz", "backbone")
    (found,) = Seed.load(tmp_path / "seed.npz", "backbone").clips
    np.testing.assert_array_equal(found.embedding, loud.embedding)


def test_background_is_learnt_but_for_what_is_held_out_or_labelled() -> None:
    clips = many({"a": 20, "b": 20})
    others = many({"rain": 50})
    dataset = split(clips, ["a", "b"], background=[*others, replace(others[0], group="a0")])
    assert {c.sha256 for c in dataset.background} == {c.sha256 for c in others if not c.held_out}
    assert 0 < len(dataset.background) < 50
    rows = dataset.manifest().decode().splitlines()
    assert sum(row.endswith(",background") for row in rows) == len(dataset.background)


def test_samples_of_another_backbone_are_embedded_anew() -> None:
    def sample(name: str, backbone: str) -> Sample:
        return Sample(
            name, "siren", name, f"samples/siren/{name}", 1.0, backbone,
            np.zeros((1, 2), dtype=np.float32) if backbone else None, "",
        )  # fmt: skip

    waveform = Waveform(np.zeros(1600, dtype=np.float32), 16_000)
    kept: list[str] = []
    clips, notes = from_samples(
        [sample("same", "b"), sample("old", "a"), sample("gone", "a"), sample("gone too", "")],
        "b",
        fetch=lambda s: None if s.sha256.startswith("gone") else waveform,
        embed=lambda _: np.ones((1, 3), dtype=np.float32),
        keep=lambda s, embedding: kept.append(f"{s.sha256} {embedding.shape}"),
    )
    assert [(c.sha256, c.embedding.shape[1]) for c in clips] == [("same", 2), ("old", 3)]
    assert kept == ["old (1, 3)"]
    assert ["backbone has changed" in note for note in notes] == [True, False]
    assert "samples/siren/gone too is left out: its audio was gone" in notes[1]


def embed(waveform: Waveform) -> Any:
    return np.full((1, 2), waveform.duration_s, dtype=np.float32)


def test_a_folder_says_labels_and_recordings(tmp_path: Path) -> None:
    for name, body in {
        "siren/a.wav": clip("siren", 1),
        "siren/tape/b.wav": clip("siren", 2),
        "siren/tape/c.flac": encode(pcm("siren", 3), container="FLAC"),
        "casual/d.wav": clip("casual", 4),
        "casual/again.wav": clip("casual", 4),
        "casual/broken.wav": b"no audio",
        "casual/contested.wav": clip("siren", 1),
        "casual/notes.txt": b"not looked at",
        "casual/.hidden.wav": b"not looked at",
        "loose.wav": clip("siren", 9),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    files = labelled_files(tmp_path)
    assert {file.path.name for file in files} == {
        "a.wav", "b.wav", "c.flac", "d.wav", "again.wav", "broken.wav", "contested.wav",
    }  # fmt: skip
    seen: list[None] = []
    clips, notes = read_clips(files, embed, lambda: seen.append(None))
    assert len(seen) == len(files)
    # The sound with two labels is learnt as neither.
    assert sorted(c.label for c in clips) == ["casual", "siren", "siren"]
    assert len({c.group for c in clips if c.label == "siren"}) == 1
    assert any("broken.wav is left out" in note for note in notes)
    assert any("'casual'" in note and "'siren'" in note for note in notes)
    heard = clips[0].audio()
    assert heard is not None
    assert heard.sha256 == clips[0].sha256


def test_a_manifest_says_labels_and_recordings(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(clip("siren"))
    with (tmp_path / "manifest.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([("path", "label", "group"), ("x.wav", "siren", "tape")])
    (file,) = labelled_files(tmp_path)
    assert (file.label, file.group) == ("siren", "tape")
    # As spreadsheets write it.
    (tmp_path / "manifest.csv").write_text("path,label\nx.wav,été\n", encoding="utf-8-sig")
    assert labelled_files(tmp_path)[0].label == "été"
    (tmp_path / "manifest.csv").write_text("path,label\ngone.wav,siren\n")
    with pytest.raises(BadDataset, match=r"gone.wav is listed"):
        labelled_files(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(b"path,label\nx.wav,\xff\xfe\n")
    with pytest.raises(BadDataset, match="UTF-8"):
        labelled_files(tmp_path)
    (tmp_path / "manifest.csv").write_text("file,label\nx.wav,siren\n")
    with pytest.raises(BadDataset, match="path"):
        labelled_files(tmp_path)


def test_a_sound_whose_embedding_is_not_finite_is_left_out_and_said(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / "siren" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(clip("siren", number))
    spoilt = decode(clip("siren", 1)).sha256

    def sometimes(waveform: Waveform) -> Any:
        value = np.nan if waveform.sha256 == spoilt else 1.0
        return np.full((1, 2), value, dtype=np.float32)

    (read,), notes = read_clips(labelled_files(tmp_path), sometimes)
    assert read.sha256 == decode(clip("siren", 0)).sha256
    assert notes == ["1.wav is left out: its embedding is not finite."]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="no labelled clips"):
        labelled_files(tmp_path)


def test_identities_do_not_depend_on_the_way_in(tmp_path: Path) -> None:
    path = tmp_path / "siren" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(clip("siren"))
    (read,), _ = read_clips(labelled_files(tmp_path), embed, lambda: None)
    assert read.sha256 == decode(clip("siren")).sha256
