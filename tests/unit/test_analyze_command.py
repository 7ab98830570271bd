"""``earshot analyze``: what is heard here is what the model hears, and nothing is heard twice."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from earshot.audio import decode
from earshot.bundle import Bundle, ModelCard
from earshot.detector import Detector
from earshot.field import listening
from earshot.field.detections import detect
from earshot.field.formats import from_json
from guano import GuanoFile

from tests.conftest import DEFAULT_BUNDLE, RATE, encode, pcm, tape
from tests.shell import Shell

if TYPE_CHECKING:
    from earshot.recording import Samples

ENDINGS = (
    ".detections.json", ".detections.csv", ".Table.1.selections.txt", ".labels.txt",
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts of a tape."""
    monkeypatch.setattr(listening, "PART", 4)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A recorder's card: a tape of two sites, something else, and something broken."""
    folder = tmp_path / "card"
    for site in ("ridge", "creek/pond"):
        (folder / site).mkdir(parents=True)
    (folder / "ridge" / "R1_20260101_060000.WAV").write_bytes(tape())
    samples, _ = soundfile.read(io.BytesIO(tape()), dtype="int16")
    (folder / "creek/pond" / "evening.flac").write_bytes(encode(samples[: 20 * RATE], RATE, "FLAC"))
    (folder / "ridge" / "notes.txt").write_text("rain from 7 on")
    return folder


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many windows went through the model; ``heard["most"]``, if set, is when power fails."""
    count: Counter[str] = Counter()
    run = Detector.run

    def counted(self: Detector, batch: Samples, *options: Any) -> Any:
        if options:  # a test tone
            return run(self, batch, *options)
        if count["most"] and count["windows"] >= count["most"]:
            raise RuntimeError("the power failed")
        count["windows"] += len(batch)
        return run(self, batch)

    monkeypatch.setattr(Detector, "run", counted)
    return count


def written(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(ENDINGS)
    }


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_a_card_is_analysed_where_it_lies(
    earshot: Shell, card: Path, default_bundle: Bundle
) -> None:
    done = earshot("analyze", card, "--json")
    assert (done.code, hidden(card)) == (0, [])
    report = done.json
    assert (report["analysed"], report["there"], report["refused"]) == (2, 0, 0)
    assert report["heard_s"] == pytest.approx(56.0)
    assert report["model_version"] == default_bundle.card.version
    assert sorted(written(card)) == sorted(
        name + ending
        for name in ("creek/pond/evening.flac", "ridge/R1_20260101_060000.WAV")
        for ending in ENDINGS
    )
    tape_file = card / "ridge" / "R1_20260101_060000.WAV"
    found = from_json(Path(f"{tape_file}.detections.json").read_bytes())
    # The same as the model makes of all of it at once.
    waveform = decode(tape())
    hearing = Detector(default_bundle).hear(waveform)
    assert found.detections == detect(hearing, default_bundle.card, waveform.duration_s, "casual")
    assert [(one.label, one.start_s, one.end_s) for one in found.detections] == [
        ("siren", 8.0, 16.0),
        ("gunshot", 20.0, 24.0),
    ]
    assert (found.site, found.duration_s, found.high_hz) == ("ridge", 36.0, 8000.0)
    assert (found.started_at, found.background) == ("2026-01-01T06:00:00.000Z", "casual")
    (row,) = [one for one in report["recordings"] if one["file"] == str(tape_file)]
    assert row["detections"] == {"siren": 1, "gunshot": 1}
    assert (row["started_at"], row["cut"]) == ("2026-01-01T06:00:00.000Z", False)


def test_every_format_tells_the_true_time(earshot: Shell, card: Path) -> None:
    (card / "ridge" / "R1_20260101_060000.WAV").rename(card / "ridge" / "night.wav")
    notes = GuanoFile(str(card / "ridge" / "night.wav"))
    notes["GUANO|Version"] = 1.0
    notes["Timestamp"] = datetime.fromisoformat("2026-07-01T03:59:50+02:00")
    notes.write(make_backup=False)
    assert earshot("analyze", card / "ridge").code == 0
    found = written(card / "ridge")
    rows = list(csv.DictReader(io.StringIO(found["night.wav.detections.csv"].decode())))
    assert [(row["label"], row["started_at"]) for row in rows] == [
        ("siren", "2026-07-01T01:59:58.000Z"),
        ("gunshot", "2026-07-01T02:00:10.000Z"),
    ]
    shot = json.loads(found["night.wav.detections.json"])["detections"][1]
    assert shot["started_at"] == "2026-07-01T02:00:10.000Z"
    table = found["night.wav.Table.1.selections.txt"].decode()
    names, *lines = [line.split("\t") for line in table.splitlines()]
    selections = [dict(zip(names, line, strict=True)) for line in lines]
    assert [(one["Begin Date Time"], one["Begin File"]) for one in selections] == [
        ("2026/07/01 01:59:58.000", "night.wav"),
        ("2026/07/01 02:00:10.000", "night.wav"),
    ]
    assert found["night.wav.labels.txt"].decode().splitlines()[0].split("\t")[2] == "siren"


def test_what_was_heard_is_not_heard_again(earshot: Shell, card: Path, heard: Counter[str]) -> None:
    assert earshot("analyze", card).code == 0
    first, windows = written(card), heard["windows"]
    assert windows == 9 + 5
    done = earshot("analyze", card, "--json")
    assert (done.code, done.json["analysed"], done.json["there"]) == (0, 0, 2)
    assert (heard["windows"], written(card)) == (windows, first)
    # What is made beside JSON may be wanted otherwise, and comes back when it was removed.
    for path in card.rglob("*.labels.txt"):
        path.unlink()
    done = earshot("analyze", card, "--label", "gunshot", "--format", "audacity", "--json")
    assert [one["detections"] for one in done.json["recordings"]] == [{}, {"gunshot": 1}]
    assert heard["windows"] == windows
    changed = {name for name, content in written(card).items() if content != first[name]}
    assert changed == {name for name in first if name.endswith(".labels.txt")}
    labels = written(card)["ridge/R1_20260101_060000.WAV.labels.txt"]
    assert labels == b"20.000000\t24.000000\tgunshot\n"
    done = earshot("analyze", card, "--min-confidence", "1", "--json")
    assert [one["detections"] for one in done.json["recordings"]] == [{}, {}]
    assert earshot("analyze", card).code == 0
    assert (heard["windows"], written(card)) == (windows, first)


@pytest.mark.parametrize("most", [4, 8])
def test_it_goes_on_where_it_was_stopped(
    earshot: Shell, card: Path, tmp_path: Path, heard: Counter[str], most: int
) -> None:
    ridge, whole = card / "ridge", tmp_path / "whole"
    assert earshot("analyze", ridge, "--out", whole).code == 0
    total = heard["windows"]
    heard.update({"most": total + most})
    with pytest.raises(RuntimeError, match="power"):
        earshot("analyze", ridge)
    assert (written(ridge), len(hidden(ridge))) == ({}, 1)
    heard["most"] = 0
    done = earshot("analyze", ridge, "--json")
    assert (done.code, done.json["analysed"]) == (0, 1)
    # Only what was missing, which alone counts for the speed.
    assert heard["windows"] == total + 9
    assert done.json["heard_s"] == pytest.approx(36.0 * (9 - most) / 9, abs=12.1)
    assert (written(ridge), hidden(ridge)) == (written(whole), [])


def test_other_content_and_another_model_are_heard_anew(
    earshot: Shell, card: Path, tmp_path: Path, heard: Counter[str]
) -> None:
    ridge = card / "ridge"
    recording = ridge / "R1_20260101_060000.WAV"
    assert earshot("analyze", ridge).code == 0
    # As long as before, and as old, as files from one archive are.
    before = recording.stat()
    recording.write_bytes(encode(np.tile(pcm("gunshot"), 9)))
    os.utime(recording, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert recording.stat().st_size == before.st_size
    done = earshot("analyze", ridge, "--json")
    assert done.json["recordings"][0]["detections"] == {"gunshot": 1}
    # Altered in the middle: the ends are the same.
    with recording.open("r+b") as file:
        file.seek(before.st_size // 2)
        file.write(bytes(8 * RATE))
    os.utime(recording, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert earshot("analyze", ridge, "--json").json["analysed"] == 1

    other = tmp_path / "other"
    shutil.copytree(DEFAULT_BUNDLE, other)
    content = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps({**content, "version": "other"}))
    assert ModelCard.from_json((other / "card.json").read_text()).version == "other"
    windows = heard["windows"]
    done = earshot("analyze", ridge, "--bundle", other, "--json")
    assert (done.json["model_version"], heard["windows"]) == ("other", windows + 9)
    assert earshot("analyze", ridge, "--json", EARSHOT_BUNDLE=str(other)).json["there"] == 1


def test_a_file_that_cannot_be_used_is_told_and_the_rest_goes_on(
    earshot: Shell, card: Path
) -> None:
    (card / "ridge" / "a.wav").write_bytes(b"RIFF0000WAVE")
    (card / "ridge" / "b.mp3").write_bytes(b"")
    whole = tape()
    (card / "ridge" / "c.wav").write_bytes(whole[: len(whole) // 2])
    # No results of ours: a directory, and a document of somebody else.
    (card / "ridge" / "c.wav.detections.json").write_text('{"schema": 1}')
    (card / "creek/pond" / "evening.flac.detections.json").mkdir()
    done = earshot("analyze", card, "--json")
    assert done.code == 1
    states = {Path(one["file"]).name: one["state"] for one in done.json["recordings"]}
    assert states == {
        "evening.flac": "refused",
        "R1_20260101_060000.WAV": "analysed",
        "a.wav": "refused",
        "b.mp3": "refused",
        "c.wav": "analysed",
    }
    refused = {one["file"]: one for one in done.json["recordings"] if one["state"] == "refused"}
    assert refused[str(card / "ridge" / "b.mp3")]["code"] == "empty_recording"
    assert f"empty_recording: {card / 'ridge' / 'b.mp3'}: " in done.err
    (cut,) = [one for one in done.json["recordings"] if one.get("cut")]
    assert (Path(cut["file"]).name, cut["detections"]) == ("c.wav", {"siren": 1})
    assert "c.wav ends before its header says" in done.err
    text = earshot("analyze", card)
    assert text.code == 1
    assert "5 recordings: 0 analysed, 2 were before, 3 refused" in text.out


def test_results_go_below_out_as_the_recordings_lie(
    earshot: Shell, card: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    assert earshot("analyze", card, "--out", out, "--format", "csv").code == 0
    assert list(written(card)) == []
    assert list(written(out)) == [
        "creek/pond/evening.flac.detections.csv",
        "creek/pond/evening.flac.detections.json",
        "ridge/R1_20260101_060000.WAV.detections.csv",
        "ridge/R1_20260101_060000.WAV.detections.json",
    ]
    alone, one = card / "creek/pond/evening.flac", tmp_path / "one"
    assert earshot("analyze", alone, "--out", one, "--format", "json").code == 0
    assert list(written(one)) == ["evening.flac.detections.json"]
    assert earshot("analyze", alone, "--out", one).code == 0
    assert len(written(one)) == 4
    shutil.copy(alone, card / "ridge")
    done = earshot("analyze", card / "ridge", card / "creek/pond", "--out", out)
    assert done.code == 2
    assert "evening.flac" in done.err


def test_several_at_a_time_find_what_one_does(earshot: Shell, card: Path, tmp_path: Path) -> None:
    for number in range(6):
        shutil.copy(card / "ridge" / "R1_20260101_060000.WAV", card / f"{number}.wav")
    one, many = tmp_path / "1", tmp_path / "4"
    assert earshot("analyze", card, "--out", one).code == 0
    assert earshot("analyze", card, "--out", many, "--jobs", 4).code == 0
    assert len(written(one)) == 8 * 4
    assert written(one) == written(many)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--label", "sirne"), 1, "unknown_label: 'sirne' is not a label of"),
        (("--application", "bats"), 1, "bad_bundle: No bundle for bats is installed"),
        (("--application", "tigers", "--bundle", DEFAULT_BUNDLE), 1, "bad_application: There is"),
        (("--bundle", DEFAULT_BUNDLE.parent), 1, "bad_bundle: "),
        (("--bundle", "/nowhere"), 2, "does not exist"),
        (("--format", "tsv"), 2, "--format"),
        (("--min-confidence", "2"), 2, "--min-confidence"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_heard(
    earshot: Shell,
    card: Path,
    heard: Counter[str],
    arguments: tuple[Any, ...],
    code: int,
    says: str,
) -> None:
    done = earshot("analyze", card, *arguments)
    assert done.code == code
    assert says in done.err
    assert (heard["windows"], written(card)) == (0, {})


def test_a_folder_without_audio_is_said(earshot: Shell, tmp_path: Path) -> None:
    done = earshot("analyze", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert f"There is no audio below {tmp_path}" in done.err


def test_a_bundle_of_another_application_has_its_own_background(
    earshot: Shell, card: Path, tmp_path: Path
) -> None:
    """What is not known here has none: every label is a detection."""
    other = tmp_path / "other"
    shutil.copytree(DEFAULT_BUNDLE, other)
    content = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps({**content, "application": "tigers"}))
    done = earshot("analyze", card / "ridge", "--bundle", other, "--json")
    assert "casual" in done.json["recordings"][0]["detections"]
    # Asked for another background, the answer is another.
    done = earshot(
        "analyze", card / "ridge", "--bundle", other, "--application", "surveillance", "--json"
    )
    assert set(done.json["recordings"][0]["detections"]) == {"siren", "gunshot"}


def test_it_needs_no_aws_and_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    """Six hours of silence, stopped as soon as a part is kept."""
    recording = tmp_path / "20260101_000000.wav"
    empty, length = encode(np.zeros(0, dtype=np.int16)), 6 * 3600 * RATE * 2
    with recording.open("wb") as file:
        file.write(empty[:-4] + length.to_bytes(4, "little"))
        file.truncate(len(empty) + length)
    code = (
        "import sys\nfrom earshot.cli import main\n"
        "try: main()\nfinally: print('imported:', *sorted({'boto3', 'av'} & set(sys.modules)))"
    )
    environment = {name: value for name, value in os.environ.items() if "AWS" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", code, "analyze", str(recording)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        parts = tmp_path / f".{recording.name}.parts"
        while running.poll() is None and not list(parts.glob("*/0")):
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert running.returncode == 130, err
    assert out.split() == ["imported:"]
    assert "the same command goes on" in err
    assert list(parts.glob("*/0"))
    assert written(tmp_path) == {}
