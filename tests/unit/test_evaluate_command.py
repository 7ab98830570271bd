"""``earshot evaluate``, ``crossvalidate`` and ``figures``: what they print, write and refuse."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from click.testing import Result
from conftest import DEFAULT_BUNDLE, REPOSITORY, clip, encode
from earshot.bundle import ModelCard
from earshot.errors import BadBundle, BadDataset
from typer.testing import CliRunner

from infra.local.sounds.surveillance import RATE
from retrain.commands.crossvalidate import crossvalidate
from retrain.commands.evaluate import evaluate
from retrain.commands.figures import figures
from retrain.commands.train import train

Run = Callable[..., Result]

LABELS = ("casual", "siren", "gunshot")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def earshot() -> Run:
    app = typer.Typer()
    for command in (evaluate, crossvalidate, figures, train):
        app.command(command.__name__)(command)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def refused(result: Result, kind: type[Exception]) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, kind)
    return str(result.exception)


def labelled(folder: Path, labels: tuple[str, ...] = LABELS, seeds: range = range(12)) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for seed in seeds:
            (folder / label / f"{seed}.wav").write_bytes(clip(label, seed))
    return folder


def listed(folder: Path, **columns: Callable[[str, int], str]) -> Path:
    """A manifest of the clips in a folder, with columns by label and number."""
    with (folder / "manifest.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(("path", "label", *columns))
        for path in sorted(folder.glob("*/*.wav")):
            label, number = path.parent.name, int(path.stem)
            rows.writerow(
                (path.relative_to(folder), label, *(of(label, number) for of in columns.values()))
            )
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled(tmp_path_factory.mktemp("learnt") / "clips")


@pytest.fixture(scope="module")
def bundle(earshot: Run, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("version") / "bundle"
    done = earshot("train", clips, "--out", out)
    assert done.exit_code == 0, done.exception
    return out


@pytest.fixture(scope="module")
def unheard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips that the bundle has not learnt from; some of them of none of its labels."""
    folder = labelled(tmp_path_factory.mktemp("unheard") / "new", seeds=range(100, 108))
    for seed in range(5):
        noise = np.random.default_rng(seed).uniform(-0.9, 0.9, 2 * RATE)
        (folder / "buzz").mkdir(exist_ok=True)
        (folder / "buzz" / f"{seed}.wav").write_bytes(encode(np.sign(noise) * 0.5))
    (folder / "siren" / "broken.wav").write_bytes(b"RIFF")
    return folder


class Page(HTMLParser):
    """What a page asks for, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "iframe"}
        self.asked += [value or "" for name, value in attrs if name in {"src", "srcset", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_evaluation_is_printed_and_written(
    earshot: Run, bundle: Path, unheard: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = earshot("evaluate", bundle, unheard, "--out", out)
    assert done.exit_code == 0, done.exception
    said = " ".join(done.stdout.split())
    assert "24 clips of 24 recordings" in said
    assert re.search(r"None of the classes, buzz: 5 clips, uncertain [01]\.\d{3} \[", said)
    assert "broken.wav is left out" in said

    written = json.loads((out / "evaluation.json").read_text())
    metrics = written["metrics"]
    assert metrics["clips"] == 24
    assert set(metrics["per_label"]) == set(LABELS)
    low, high = metrics["intervals"]["macro_roc_auc"]
    assert low <= metrics["macro_roc_auc"] <= high
    buzz = written["none_of_the_classes"]["per_label"]["buzz"]
    mine = [one for one in written["clips"] if one["label"] == "buzz"]
    assert buzz["clips"] == len(mine) == 5
    assert buzz["share"] == sum(one["decision"] == "uncertain" for one in mine) / 5
    assert written["left_out"] == [note for note in written["left_out"] if "broken.wav" in note]
    right = [one["answer"] == one["label"] for one in written["clips"] if one["label"] != "buzz"]
    assert metrics["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)

    page = Page((out / "evaluation.html").read_text())
    assert page.asked
    assert all(address.startswith("data:image/png;base64,") for address in page.asked)
    for expected in ("Accuracy", "None of the classes", "broken.wav", *LABELS):
        assert expected in page.text
    names = {path.stem for path in out.glob("*.png")}
    assert {"confusion", "reliability", "roc"} <= names
    assert ("errors" in names) == (not all(right))
    assert all(path.read_bytes().startswith(PNG) for path in out.glob("*.png"))


def test_the_worst_errors_are_drawn(
    earshot: Run, bundle: Path, unheard: Path, tmp_path: Path
) -> None:
    """With two labels taken for each other, every answer is a mistake."""
    out = tmp_path / "out"
    swapped = ("--relabel", "siren=casual", "--relabel", "casual=siren", "--relabel", "gunshot=")
    found = printed(earshot("evaluate", bundle, unheard, "--out", out, *swapped, "--json"))
    assert found["metrics"]["clips"] == 16
    assert found["metrics"]["accuracy"] < 0.5
    assert (out / "errors.png").read_bytes().startswith(PNG)
    assert "most confident mistakes" in (out / "evaluation.html").read_text()


def test_names_are_neither_markup_nor_formulas(earshot: Run, clips: Path, tmp_path: Path) -> None:
    labels = {"casual": "[/casual]", "siren": "$\\siren$", "gunshot": "gunshot"}
    names = [f"--relabel={old}={new}" for old, new in labels.items()]
    odd = tmp_path / "[odd]"
    odd.mkdir()
    learnt = tmp_path / "learnt"
    shutil.copytree(clips, learnt)
    (learnt / "siren" / "[broken].wav").write_bytes(b"RIFF")
    done = earshot("train", learnt, "--out", odd / "bundle", *names)
    assert done.exit_code == 0, done.exception
    assert "[broken].wav is left out" in " ".join(done.stdout.split())
    unheard = labelled(tmp_path / "new", seeds=range(100, 104))
    asked = [
        f"--relabel={old}={labels[new]}" for old, new in (("casual", "siren"), ("siren", "casual"))
    ]
    done = earshot("evaluate", odd / "bundle", unheard, "--out", tmp_path / "out", *asked)
    assert done.exit_code == 0, done.exception
    assert (tmp_path / "out" / "errors.png").read_bytes().startswith(PNG)


def test_what_was_learnt_from_is_refused_by_name(earshot: Run, bundle: Path, clips: Path) -> None:
    said = refused(earshot("evaluate", bundle, clips), BadDataset)
    assert "has learnt from" in said
    assert "the same sound" in said
    assert str(clips) in said
    assert "--held-out" in said


def test_another_clip_of_a_recording_learnt_from_is_refused(
    earshot: Run, unheard: Path, tmp_path: Path
) -> None:
    folder = labelled(tmp_path / "tapes")
    listed(folder, group=lambda label, number: f"{label} tape {number}")
    made = earshot("train", folder, "--out", tmp_path / "bundle")
    assert made.exit_code == 0, made.exception
    others = labelled(tmp_path / "others", seeds=range(200, 212))
    listed(others, group=lambda label, number: f"{label} tape {number - 200}")
    said = refused(earshot("evaluate", tmp_path / "bundle", others), BadDataset)
    assert "the same recording, casual tape" in said
    assert "the same sound" not in said


def test_only_what_was_held_out_is_asked_for(earshot: Run, bundle: Path, clips: Path) -> None:
    found = printed(earshot("evaluate", bundle, clips, "--held-out", "--json"))
    card = ModelCard.from_json((bundle / "card.json").read_bytes())
    assert found["metrics"]["clips"] == card.metrics["clips"] < 36
    assert found["metrics"]["accuracy"] == card.metrics["accuracy"]
    assert any("has learnt from them" in note for note in found["left_out"])


def test_a_bundle_that_cannot_say_what_it_learnt_is_refused(
    earshot: Run, bundle: Path, unheard: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("card.json", "model.onnx"):
        (copy / name).write_bytes((bundle / name).read_bytes())
    assert "manifest.csv" in refused(earshot("evaluate", copy, unheard), BadBundle)
    (copy / "manifest.csv").write_text("sha256,label,group,part\n")
    assert "not the one" in refused(earshot("evaluate", copy, unheard), BadBundle)


def test_only_clips_of_none_of_the_classes(earshot: Run, bundle: Path, unheard: Path) -> None:
    without = [part for label in LABELS for part in ("--relabel", f"{label}=")]
    found = printed(earshot("evaluate", bundle, unheard, *without, "--json"))
    assert found["metrics"]["clips"] == 0
    assert found["metrics"]["accuracy"] is None
    assert found["none_of_the_classes"]["uncertain"]["clips"] == 5


def test_a_part_of_a_manifest_is_chosen(
    earshot: Run, bundle: Path, unheard: Path, tmp_path: Path
) -> None:
    folder = labelled(tmp_path / "new", seeds=range(300, 306))
    listed(folder, split=lambda _, number: "test" if number % 2 else "train")
    found = printed(earshot("evaluate", bundle, folder, "--only", "split=test", "--json"))
    assert found["metrics"]["clips"] == 9
    wrong = {
        "split=nothing": "lists no clip",
        "colour=red": "lacks the column 'colour'",
        "split": "name=value",
    }
    for asked, said in wrong.items():
        assert said in refused(earshot("evaluate", bundle, folder, "--only", asked), BadDataset)
    said = refused(earshot("evaluate", bundle, folder, "--relabel", "syren=siren"), BadDataset)
    assert "syren" in said
    assert "manifest.csv" in refused(
        earshot("evaluate", bundle, unheard, "--only", "split=test"), BadDataset
    )


def test_labels_are_learnt_under_other_names(earshot: Run, clips: Path, tmp_path: Path) -> None:
    renamed = ("--relabel", "gunshot=danger", "--relabel", "siren=danger")
    done = earshot("train", clips, "--out", tmp_path / "bundle", *renamed)
    assert done.exit_code == 0, done.exception
    card = ModelCard.from_json((tmp_path / "bundle" / "card.json").read_bytes())
    assert card.labels == ("casual", "danger")
    assert card.metrics["learning_curve"][-1]["accuracy"] == card.metrics["accuracy"]


def test_a_folder_is_cross_validated(earshot: Run, clips: Path, tmp_path: Path) -> None:
    found = printed(earshot("crossvalidate", clips, "--folds", 3, "--repeats", 2, "--json"))
    metrics = found["metrics"]
    assert (metrics["clips"], metrics["answers"], found["folds"]) == (36, 72, 3)
    assert metrics["accuracy"] > 0.8
    low, high = metrics["accuracy_interval"]
    assert low <= metrics["accuracy"] <= high
    shown = earshot("crossvalidate", clips, "--folds", 3)
    assert "36 clips of 36 recordings, 3 folds" in " ".join(shown.stdout.split())


def test_labels_of_too_few_recordings_are_left_out_and_said(earshot: Run, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", ("siren", "casual"), range(6))
    labelled(folder, ("gunshot",), range(2))
    found = printed(earshot("crossvalidate", folder, "--folds", 2, "--json"))
    assert found["labels"] == ["casual", "siren"]
    assert any("gunshot is left out: 2 recordings" in note for note in found["left_out"])


def test_the_folds_of_a_manifest_are_kept(earshot: Run, tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", seeds=range(8))
    listed(folder, fold=lambda _, number: str(number % 4))
    found = printed(earshot("crossvalidate", folder, "--folds", "manifest", "--json"))
    assert found["folds"] == 4
    listed(folder, fold=lambda _, number: str(number % 4), group=lambda label, _: label)
    said = refused(earshot("crossvalidate", folder, "--folds", "manifest"), BadDataset)
    assert "in several folds" in said or "recordings" in said


def test_sets_become_one_table(earshot: Run, tmp_path: Path) -> None:
    labelled(tmp_path / "data" / "here", seeds=range(8))
    sets = tmp_path / "sets.toml"
    sets.write_text(
        'backbones = ["melstats", "not-here"]\napplications = "."\n'
        '[sets.first]\nfolder = "here"\nfolds = 2\nrelabel = ["gunshot=bang"]\n'
        'reference = "0.9 somebody"\n[sets.second]\nfolder = "nowhere"\n'
    )
    done = earshot("figures", sets, tmp_path / "data")
    assert done.exit_code == 0, done.exception
    head, rule, *rows = done.stdout.strip().splitlines()
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert len(rows) == 1
    assert re.match(r"\| first \| 24, 24 \| 2 \| \d\.\d{3} \[", rows[0])
    assert "melstats" in head
    assert "0.9 somebody" in rows[0]
    said = " ".join(done.stderr.split())
    assert "second is left out" in said
    assert "first with not-here is left out" in said
    found = printed(earshot("figures", sets, tmp_path / "data", "--json", "--set", "first"))
    assert found[0]["labels"] == ["bang", "casual", "siren"]
    assert "other" in refused(
        earshot("figures", sets, tmp_path / "data", "--set", "other"), BadDataset
    )


def test_the_sets_of_the_readme_can_be_read(data_dir: Path) -> None:
    import tomllib

    from retrain.folder import Selection, application_of, labelled_files

    content = tomllib.loads((REPOSITORY / "infra" / "figures.toml").read_text())
    for asked in content["sets"].values():
        folder = data_dir / asked["folder"]
        selection = Selection.parse(asked.get("only", ()), asked.get("relabel", ()))
        files = labelled_files(folder, selection)
        application = asked.get("application")
        path = REPOSITORY / "infra" / "applications" / f"{application}.toml"
        listens = application_of(files, folder, path if application else None, None)
        assert len({file.label for file in files}) >= 2
        assert application in (listens.name, None)


def test_the_default_bundle_hears_real_clips_as_its_card_says(earshot: Run, data_dir: Path) -> None:
    card = ModelCard.from_json((DEFAULT_BUNDLE / "card.json").read_bytes())
    found = printed(earshot("evaluate", DEFAULT_BUNDLE, data_dir / "sesa", "--held-out", "--json"))
    for name in ("clips", "recordings", "accuracy", "macro_f1", "confusion", "ece"):
        assert found["metrics"][name] == card.metrics[name]


def test_the_default_bundle_is_not_judged_by_what_it_learnt(earshot: Run, data_dir: Path) -> None:
    said = refused(earshot("evaluate", DEFAULT_BUNDLE, data_dir / "sesa"), BadDataset)
    learnt = (DEFAULT_BUNDLE / "manifest.csv").read_text().count(",training\n")
    assert f"has learnt from {learnt} of these" in said
    assert soundfile.info(re.findall(r"(/\S+\.flac) \(", said)[0]).frames > 0
