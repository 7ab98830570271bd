"""Networks as backbones: listed, fetched, kept, found again."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import Aws
from earshot import cli
from earshot.application import Application
from earshot.errors import (
    BadApplication,
    BadBackbone,
    FetchFailed,
    UnknownBackbone,
)
from earshot.registry import Registry
from networks import Serve, call, refused, saved, servers, tiny, told

from retrain.backbones import BACKBONES, Published, load
from retrain.backbones.checkpoint import read_checkpoint
from retrain.backbones.folder import BackboneFolder
from retrain.backbones.imported import adopt


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneFolder:
    monkeypatch.setenv("EARSHOT_BACKBONES", str(tmp_path / "kept"))
    return BackboneFolder.of_user()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with servers() as serve:
        yield serve


# --- fetch -----------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A row of the table whose file is served from here."""
    file = tmp_path / "given" / "away.bin"
    file.parent.mkdir()
    file.write_bytes(b"a publisher's file" * 10_000)
    formed = adopt(saved(tmp_path, tiny()), "away")
    monkeypatch.setitem(
        BACKBONES,
        "away",
        Published(
            f"{serve(file.parent)}/{file.name}",
            hashlib.sha256(file.read_bytes()).hexdigest(),
            8_000,
            lambda content: formed.graph if content == file.read_bytes() else onnx.ModelProto(),
        ),
    )
    return file


def test_what_is_fetched_is_kept_and_listed(published: Path, folder: BackboneFolder) -> None:
    before = {row["name"]: row for row in told("list")["backbones"]}
    assert before["away"] == {"name": "away", "kind": "to be fetched"}
    answer = told("fetch", "away")
    assert answer["kept"] == [str(folder.path / "away.onnx")]
    assert (answer["sample_rate"], answer["dim"]) == (8_000, 2)
    after = {row["name"]: row for row in told("list", "--sample-rate", "22050")["backbones"]}
    assert after["away"]["sha256"] == answer["sha256"] == load("away", 1, folder.read).sha256
    assert after["melstats"]["sample_rate"] == 22_050
    assert "away" in call("list").output
    assert folder.names() == ["away"]


def test_another_file_than_was_meant_is_not_kept(published: Path, folder: BackboneFolder) -> None:
    published.write_bytes(published.read_bytes()[:-1])
    error = refused("fetch", "away")
    assert isinstance(error, FetchFailed)
    assert "179999 bytes with SHA-256" in str(error)
    assert folder.names() == []


def test_a_file_that_is_gone_and_a_dead_line_are_told_apart(published: Path) -> None:
    published.unlink()
    assert "answers 404" in str(refused("fetch", "away"))
    error = refused("fetch", "away", "--url", "http://127.0.0.1:1/mirror/")
    assert "http://127.0.0.1:1/mirror/away.bin cannot be reached" in str(error)
    assert isinstance(error, FetchFailed)


def test_only_what_is_published_can_be_fetched() -> None:
    assert "mn04, yamnet" in str(refused("fetch", "melstats"))


def test_a_pickle_that_wants_more_than_tensors_is_refused() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("was run",)

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Evil()}, protocol=2))
    with pytest.raises(BadBackbone, match=r"it wants __builtin__\.print"):
        read_checkpoint(content.getvalue())
    with pytest.raises(BadBackbone, match="no PyTorch checkpoint"):
        read_checkpoint(b"not even a zip")


@pytest.mark.parametrize("pickled", [b"", b"0", pickle.dumps([1, 2], 2), pickle.dumps("a", 2)[:5]])
def test_a_checkpoint_of_something_else_is_refused(pickled: bytes) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(BadBackbone, match="no PyTorch checkpoint"):
        read_checkpoint(content.getvalue())


# --- where they are --------------------------------------------------------------------------


def test_a_backbone_that_is_not_there_says_how_to_get_it(folder: BackboneFolder) -> None:
    with pytest.raises(UnknownBackbone, match="earshot backbone fetch mn04"):
        load("mn04", 16_000, folder.read)


def test_a_backbone_is_put_into_the_bucket(aws: Aws, tmp_path: Path) -> None:
    path = saved(tmp_path, tiny())
    answer = told("import", str(path), "--name", "mine", "--bucket", "artifacts")
    assert answer["kept"][1] == "s3://artifacts/backbones/mine.onnx"
    registry = Registry(aws.s3, "artifacts")
    assert load("mine", 16_000, registry.backbone).sha256 == answer["sha256"]
    with pytest.raises(UnknownBackbone, match="import FILE --name other --bucket artifacts"):
        registry.backbone("other")


def test_a_damaged_file_is_no_backbone(folder: BackboneFolder) -> None:
    folder.keep("broken", b"\x00 no network")
    with pytest.raises(BadBackbone, match="no ONNX file"):
        load("broken", 16_000, folder.read)
    folder.keep("silent", tiny(rate=None).SerializeToString())
    with pytest.raises(BadBackbone, match="does not say its sample rate"):
        load("silent", 16_000, folder.read)


def test_a_network_takes_no_options(tmp_path: Path, folder: BackboneFolder) -> None:
    told("import", str(saved(tmp_path, tiny())), "--name", "mine")
    with pytest.raises(BadApplication, match="mine is a network, which has no bands"):
        load("mine", 16_000, folder.read, {"bands": 64})


def test_the_users_folder_is_where_the_desktop_keeps_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("EARSHOT_BACKBONES")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert BackboneFolder.of_user().path == tmp_path / "earshot" / "backbones"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert BackboneFolder.of_user().path == Path.home() / ".local/share/earshot/backbones"


def test_the_command_is_part_of_earshot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["earshot", "backbone", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("list", "fetch", "import"))


def test_another_backbone_forgets_the_options_of_the_first() -> None:
    application = Application(
        "a", ("x", "y"), 16_000, 4.0, 4.0, "melstats", backbone_options={"bands": 32}
    )
    assert application.heard_by("melstats") is application
    assert application.heard_by("mn04").backbone_options == {}
