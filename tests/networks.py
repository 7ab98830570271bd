"""Networks of somebody's, made on the spot, and the command that takes them in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from earshot.detector import open_session
from earshot.errors import EarshotError
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from retrain.commands.backbone import app

Array = np.ndarray[Any, np.dtype[Any]]
# Serves a folder; answers its address.
Serve = Callable[[Path], str]


def run(model: onnx.ModelProto | bytes, batch: Array) -> Array:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (answer,) = open_session(content).run(["embedding"], {"waveform": batch.astype(np.float32)})
    return np.asarray(answer)


def noise(samples: int, clips: int = 1) -> Array:
    return 0.1 * np.random.default_rng(0).standard_normal((clips, samples)).astype(np.float32)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def told(*arguments: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def refused(*arguments: str) -> EarshotError:
    done = call(*arguments)
    assert isinstance(done.exception, EarshotError), done.output
    return done.exception


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


def saved(folder: Path, network: onnx.ModelProto) -> Path:
    path = folder / "network.onnx"
    onnx.save(network, path)
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def servers() -> Iterator[Serve]:
    """Serve folders for as long as the context lasts."""
    running = []

    def serve(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()
