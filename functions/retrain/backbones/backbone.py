"""What a backbone is: a graph that hears at a rate, by a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import onnx
from onnx import helper

if TYPE_CHECKING:
    from typing import Self

NAME = "earshot_backbone"
SAMPLE_RATE = "earshot_sample_rate"
# Widths of the parts that an embedding was put together from, as "384,512".
PARTS = "earshot_parts"


@dataclass(frozen=True, eq=False)
class Backbone:
    """``graph``: waveform float32 ``[batch, samples]`` → embedding float32 ``[batch, dim]``.

    ``sample_rate`` in Hz is what the graph is fed at; recordings are resampled to it.
    """

    name: str
    graph: onnx.ModelProto
    sample_rate: int

    @classmethod
    def of(cls, name: str, graph: onnx.ModelProto, sample_rate: int) -> Self:
        """A backbone whose graph says its name and rate, so that they are part of its SHA-256."""
        described = onnx.ModelProto()
        described.CopyFrom(graph)
        said = {entry.key: entry.value for entry in graph.metadata_props if entry.key == PARTS}
        helper.set_model_props(described, {NAME: name, SAMPLE_RATE: str(sample_rate), **said})
        return cls(name, described, sample_rate)

    @cached_property
    def content(self) -> bytes:
        """The graph as a file's bytes, the same every time."""
        content: bytes = self.graph.SerializeToString(deterministic=True)
        return content

    @cached_property
    def sha256(self) -> str:
        """What names the backbone: embeddings of another SHA-256 are of another kind."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return int(self.graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value)

    @property
    def parts(self) -> tuple[int, ...]:
        """The widths of the embedding's parts, in order; the whole is one if nothing is said."""
        said = {entry.key: entry.value for entry in self.graph.metadata_props}
        widths = tuple(int(width) for width in said.get(PARTS, "").split(",") if width)
        return widths or (self.dim,)


def in_parts(graph: onnx.ModelProto, *widths: int) -> onnx.ModelProto:
    """The same graph, saying of which parts its embedding was put together."""
    helper.set_model_props(graph, {PARTS: ",".join(map(str, widths))})
    return graph


def declared_rate(graph: onnx.ModelProto) -> int | None:
    """The sample rate in Hz that a graph's metadata declares, if it does."""
    said = {entry.key: entry.value for entry in graph.metadata_props}
    return int(said[SAMPLE_RATE]) if said.get(SAMPLE_RATE, "").isdecimal() else None
