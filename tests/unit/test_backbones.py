"""Networks as backbones: fetched, imported, kept, and equal to what their publishers' files say."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import pytest
import soundfile
from conftest import Aws
from earshot import cli
from earshot.application import Application
from earshot.detector import open_session
from earshot.errors import (
    BadApplication,
    BadBackbone,
    EarshotError,
    FetchFailed,
    UnknownBackbone,
)
from earshot.recording import Waveform
from earshot.registry import Registry
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from retrain.backbones import BACKBONES, Backbone, Published, load
from retrain.backbones.checkpoint import read_checkpoint
from retrain.backbones.folder import BackboneFolder
from retrain.backbones.imported import adopt
from retrain.commands.backbone import app
from retrain.export import Embedder

Array = np.ndarray[Any, np.dtype[Any]]
# The largest difference from a publisher's network behind a front end by numpy.
TOLERANCE = 1e-3


def run(model: onnx.ModelProto | bytes, batch: Array) -> Array:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (answer,) = open_session(content).run(["embedding"], {"waveform": batch.astype(np.float32)})
    return np.asarray(answer)


def noise(samples: int, clips: int = 1) -> Array:
    return 0.1 * np.random.default_rng(0).standard_normal((clips, samples)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackboneFolder:
    monkeypatch.setenv("EARSHOT_BACKBONES", str(tmp_path / "kept"))
    return BackboneFolder.of_user()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def told(*arguments: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a folder; answers its address."""
    servers = []

    def start(path: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(path)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# -------------------------------------------------------------------- what a publisher gives away


def mn04_by_numpy(data: Path, samples: Array) -> Array:
    """The publisher's network behind its front end, as the README beside the file has it."""
    with np.load(data / "frontend_32k.npz") as front:
        mel, window = front["mel"], front["window"]
    sharp = np.pad(samples[1:] - 0.97 * samples[:-1], 512, mode="reflect")
    spectrum = librosa.stft(sharp, n_fft=1024, hop_length=320, window=window, center=False)
    log_mel = (np.log(mel @ np.abs(spectrum) ** 2 + 1e-5) + 4.5) / 5
    session = open_session((data / "mn04_as.onnx").read_bytes())
    answers = session.run(
        ["embedding", "embedding2"], {"mel": log_mel[np.newaxis].astype(np.float32)}
    )
    return np.concatenate(answers, axis=1)


def yamnet_by_numpy(data: Path, samples: Array) -> Array:
    with np.load(data / "frontend_16k.npz") as front:
        mel, window = front["mel"], front["win"]
    heard = np.pad(samples, (0, max(0, 15_600 - len(samples))))
    frames = librosa.util.frame(heard, frame_length=400, hop_length=160, axis=0) * window
    log_mel = np.log(np.abs(np.fft.rfft(frames, 512)) @ mel.T + 0.001)
    patches = [log_mel[at : at + 96] for at in range(0, len(log_mel) - 95, 48)]
    session = open_session((data / "yamnet_official.onnx").read_bytes())
    (answers,) = session.run(["embedding"], {"mel": np.stack(patches).astype(np.float32)})
    return np.asarray(answers.mean(axis=0, keepdims=True))


NETWORKS = {
    "mn04": ("efficientat_mn04", 32_000, 896, mn04_by_numpy),
    "yamnet": ("yamnet", 16_000, 1_024, yamnet_by_numpy),
}


@pytest.fixture(params=NETWORKS)
def network(
    request: pytest.FixtureRequest,
    data_dir: Path,
    serve: Callable[[Path], str],
    folder: BackboneFolder,
) -> tuple[str, Path, Backbone]:
    """A network that was fetched from a copy of its publisher's file."""
    name: str = request.param
    data = data_dir / "backbones" / NETWORKS[name][0]
    if not data.is_dir():
        pytest.skip(f"the publishers' files are not here: there is no {data}")
    answer = told("fetch", name, "--url", serve(data))
    backbone = load(name, 16_000, folder.read)
    assert answer["sha256"] == backbone.sha256
    return name, data, backbone


def test_a_fetched_network_hears_as_its_publishers_does(
    network: tuple[str, Path, Backbone], data_dir: Path
) -> None:
    name, data, backbone = network
    _, rate, dim, by_numpy = NETWORKS[name]
    assert (backbone.name, backbone.sample_rate, backbone.dim) == (name, rate, dim)
    clips = [noise(rate // 10)[0], noise(rate * 3 + 77)[0], noise(15_600)[0]]
    for path in sorted((data_dir / "esc10").rglob("*.flac"))[::80]:
        samples, _ = soundfile.read(path, dtype="float32")
        clips.append(samples)
    for samples in clips:
        ours = run(backbone.graph, samples[np.newaxis])
        np.testing.assert_allclose(ours, by_numpy(data, samples), atol=TOLERANCE)


def test_a_fetched_network_hears_a_batch_silence_and_the_shortest_recording(
    network: tuple[str, Path, Backbone],
) -> None:
    backbone = network[2]
    tenth = backbone.sample_rate // 10
    batch = np.concatenate([noise(tenth, 2), np.zeros((1, tenth), dtype=np.float32)])
    heard = run(backbone.graph, batch)
    assert heard.shape == (3, backbone.dim)
    assert np.isfinite(heard).all()
    alone = np.concatenate([run(backbone.graph, one[np.newaxis]) for one in batch])
    np.testing.assert_allclose(heard, alone, atol=TOLERANCE)


def test_ultrasound_is_heard_slowed_down(
    network: tuple[str, Path, Backbone], folder: BackboneFolder
) -> None:
    name, _, audible = network
    bats = load(name, 384_000, folder.read)
    assert bats.sample_rate == 384_000
    assert bats.sha256 != audible.sha256
    call = Waveform(noise(96_000)[0], 384_000)
    slowed = Waveform(call.samples, audible.sample_rate)
    np.testing.assert_array_equal(
        Embedder(bats, window_s=1.0, hop_s=1.0)(call),
        Embedder(audible, window_s=60.0, hop_s=60.0)(slowed),
    )
    # Birds are no ultrasound: they are resampled to the rate that the network knows.
    assert load(name, 22_050, folder.read).sha256 == audible.sha256


# ---------------------------------------------------------------------------------------- fetch


def tiny(rate: int | None = 16_000, **changes: Any) -> onnx.ModelProto:
    """A network of somebody's: two means over time, of the samples and of their squares."""
    options: dict[str, Any] = {
        "dims": ["batch", "samples"], "out": ["batch", 2], "opset": 17, "output": "embedding",
    } | changes  # fmt: skip
    nodes = [
        helper.make_node("Mul", ["audio", "audio"], ["squares"]),
        helper.make_node("ReduceMean", ["audio"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("ReduceMean", ["squares"], ["power"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean", "power"], [options["output"]], axis=1),
    ]
    return model(
        nodes, options["dims"], {options["output"]: options["out"]}, options["opset"], rate
    )


def model(
    nodes: Sequence[onnx.NodeProto],
    dims: Sequence[int | str],
    outputs: dict[str, Sequence[int | str]],
    opset: int = 17,
    rate: int | None = None,
    constants: Sequence[onnx.TensorProto] = (),
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "somebody's",
        [helper.make_tensor_value_info("audio", kind, dims)],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, d) for o, d in outputs.items()],
        list(constants),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if rate:
        helper.set_model_props(made, {"sample_rate": str(rate)})
    return made


@pytest.fixture
def published(
    tmp_path: Path, serve: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> Path:
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


def saved(folder: Path, network: onnx.ModelProto) -> Path:
    path = folder / "network.onnx"
    onnx.save(network, path)
    return path


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


def refused(*arguments: str) -> EarshotError:
    done = call(*arguments)
    assert isinstance(done.exception, EarshotError), done.output
    return done.exception


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


# --------------------------------------------------------------------------------------- import


def test_a_network_of_ones_own_becomes_a_backbone(tmp_path: Path, folder: BackboneFolder) -> None:
    path = saved(tmp_path, tiny(rate=22_050))
    answer = told("import", str(path), "--name", "mine")
    backbone = load("mine", 16_000, folder.read)
    assert (backbone.name, backbone.sample_rate, backbone.dim) == ("mine", 22_050, 2)
    assert answer["sha256"] == backbone.sha256
    batch = noise(5_000, 3)
    expected = np.stack([batch.mean(axis=1), (batch**2).mean(axis=1)], axis=1)
    np.testing.assert_allclose(run(backbone.graph, batch), expected, atol=1e-6)
    assert {"name": "mine", "kind": "imported"}.items() <= told("list")["backbones"][-1].items()


def test_name_and_rate_are_part_of_what_names_a_backbone(tmp_path: Path) -> None:
    path = saved(tmp_path, tiny(rate=None))
    made = [
        adopt(path, name, sample_rate=rate).sha256
        for name, rate in (("a", 8_000), ("a", 8_000), ("b", 8_000), ("a", 16_000))
    ]
    assert made[0] == made[1]
    assert len(set(made)) == 3


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize(
    ("dims", "shape", "out"),
    [
        (["samples"], [-1], [2]),
        (["samples"], [-1, 400], ["frames", 400]),
        ([1, "samples"], [-1, 400], ["frames", 400]),
    ],
    ids=["one waveform, one answer", "one waveform, frames", "a batch of one, frames"],
)
def test_a_network_of_one_waveform_hears_batches(
    tmp_path: Path, opset: int, dims: list[Any], shape: list[int], out: list[Any]
) -> None:
    """As YAMNet's own export: [samples] in, [frames, dim] out, to be averaged."""
    constants = [
        numpy_helper.from_array(np.array(shape), "shape"),
        numpy_helper.from_array(np.array([0]), "start"),
        numpy_helper.from_array(np.array([2]), "stop"),
    ]
    nodes = [helper.make_node("Reshape", ["audio", "shape"], ["cut"])]
    name = "cut"
    if len(out) == 1:
        nodes.append(helper.make_node("Slice", ["cut", "start", "stop"], ["two"]))
        name = "two"
    path = saved(tmp_path, model(nodes, dims, {name: out}, opset, constants=constants))
    backbone = adopt(path, "one", output=name, sample_rate=8_000)
    batch = noise(2_000, 3)
    expected = batch[:, :2] if len(out) == 1 else batch.reshape(3, 5, 400).mean(axis=1)
    np.testing.assert_allclose(run(backbone.graph, batch), expected, atol=1e-6)


def test_a_network_that_wants_more_than_a_tenth_of_a_second_is_given_silence(
    tmp_path: Path,
) -> None:
    kernel = numpy_helper.from_array(np.ones((2, 1, 4_000), dtype=np.float32), "kernel")
    axis = numpy_helper.from_array(np.array([1]), "axis")
    nodes = [
        helper.make_node("Unsqueeze", ["audio", "axis"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernel"], ["sums"]),
        helper.make_node("ReduceMax", ["sums"], ["embedding"], axes=[2], keepdims=0),
    ]
    network = model(
        nodes, ["batch", "samples"], {"embedding": ["batch", 2]}, constants=[kernel, axis]
    )
    backbone = adopt(saved(tmp_path, network), "long", sample_rate=8_000)
    short = noise(800)
    np.testing.assert_allclose(run(backbone.graph, short), short.sum() * np.ones((1, 2)), rtol=1e-4)


def two_outputs() -> onnx.ModelProto:
    network = tiny(output="features")
    network.graph.node.append(helper.make_node("Softmax", ["features"], ["scores"]))
    network.graph.output.append(
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])
    )
    return network


def test_an_output_is_chosen_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, two_outputs())
    with pytest.raises(BadBackbone, match="--output among features, scores"):
        adopt(path, "two")
    batch = noise(1_600)
    (scores,) = run(adopt(path, "two", output="scores").graph, batch)
    assert scores.sum() == pytest.approx(1)
    assert run(adopt(path, "two", output="features").graph, batch)[0, 1] == pytest.approx(
        (batch**2).mean(), abs=1e-6
    )


def with_noise() -> onnx.ModelProto:
    nodes = [
        helper.make_node("RandomNormalLike", ["audio"], ["random"]),
        helper.make_node("ReduceMean", ["random"], ["embedding"], axes=[1], keepdims=1),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def across_the_batch() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMax", ["audio"], ["common"], axes=[0, 1], keepdims=1),
        helper.make_node("ReduceMax", ["audio"], ["own"], axes=[1], keepdims=1),
        helper.make_node("Add", ["common", "own"], ["embedding"]),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def log_of_level() -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMax", ["audio"], ["level"], axes=[1], keepdims=1),
        helper.make_node("Log", ["level"], ["embedding"]),
    ]
    return model(nodes, ["batch", "samples"], {"embedding": ["batch", 1]}, rate=16_000)


def of_a_spectrogram() -> onnx.ModelProto:
    nodes = [helper.make_node("ReduceMean", ["audio"], ["embedding"], axes=[2], keepdims=0)]
    return model(nodes, ["n", 64, "t"], {"embedding": ["n", 64]}, rate=16_000)


def of_integers() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["audio"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["embedding"], axes=[1], keepdims=1),
    ]
    dims = ["batch", "samples"]
    return model(nodes, dims, {"embedding": ["batch", 1]}, rate=16_000, kind=TensorProto.INT16)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (tiny(rate=None), "--sample-rate HERTZ"),
        (tiny(rate=1_000_000), "no rate that a recorder has"),
        (tiny(opset=11), "of opset 11"),
        (tiny(dims=["batch", 64_000]), "takes 64000 samples"),
        (tiny(dims=[4, "samples"], out=[4, 2]), "batches of 4"),
        (of_a_spectrogram(), "put the front end"),
        (of_integers(), "float32"),
        (with_noise(), "in two ways"),
        (across_the_batch(), "alone is heard otherwise"),
        (log_of_level(), "not finite"),
    ],
)
def test_a_network_that_cannot_be_a_backbone_says_why(
    tmp_path: Path, network: onnx.ModelProto, says: str
) -> None:
    with pytest.raises(BadBackbone, match=says):
        adopt(saved(tmp_path, network), "mine")


def test_a_rate_that_is_no_number_is_asked_for(tmp_path: Path) -> None:
    network = tiny(rate=None)
    helper.set_model_props(network, {"sample_rate": "16 kHz"})
    with pytest.raises(BadBackbone, match="--sample-rate HERTZ"):
        adopt(saved(tmp_path, network), "mine")


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x00 no network")
    for path in (tmp_path / "a.onnx", tmp_path / "none.onnx"):
        with pytest.raises(BadBackbone, match=f"{path.name} is no ONNX file"):
            adopt(path, "mine")


@pytest.mark.parametrize("name", ["melstats", "mn04", "../up", "A", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, tiny())
    assert isinstance(refused("import", str(path), "--name", name), BadBackbone)


# ------------------------------------------------------------------------------- where they are


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
