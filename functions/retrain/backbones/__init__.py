"""Backbones: ONNX graphs from ``waveform`` to ``embedding``, by the name an application gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx
from earshot.audio import ULTRASOUND
from earshot.errors import BadApplication, BadBackbone
from google.protobuf.message import DecodeError

from retrain.backbones import acoustic, cnn, melstats, mn04, yamnet
from retrain.backbones.backbone import Backbone, declared_rate
from retrain.backbones.ensemble import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from earshot.application import Application

__all__ = ["BACKBONES", "Backbone", "Computed", "Published", "Shipped", "load"]


@dataclass(frozen=True)
class Computed:
    """Built for an application's sample rate in Hz, and by its ``backbone_options``."""

    build: Callable[[int, Mapping[str, Any]], onnx.ModelProto]


@dataclass(frozen=True)
class Shipped:
    """A network in this repository; its graph's metadata declares its rate."""

    read: Callable[[], bytes]


@dataclass(frozen=True)
class Published:
    """A network that ``earshot backbone fetch`` gets from its publisher and converts.

    ``sha256`` is of the file at ``url``; ``convert`` makes a graph of that file's bytes, which
    hears at ``sample_rate`` Hz.
    """

    url: str
    sha256: str
    sample_rate: int
    convert: Callable[[bytes], onnx.ModelProto]


# A new backbone is one file and one row.
BACKBONES: dict[str, Computed | Shipped | Published] = {
    "melstats": Computed(melstats.build),
    "acoustic": Computed(acoustic.build),
    "cnn": Shipped(cnn.read),
    "mn04": Published(mn04.URL, mn04.SHA256, mn04.SAMPLE_RATE, mn04.convert),
    "yamnet": Published(yamnet.URL, yamnet.SHA256, yamnet.SAMPLE_RATE, yamnet.convert),
}


def load(
    name: str,
    sample_rate: int,
    imported: Callable[[str], bytes],
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """The backbone of an application that hears at ``sample_rate`` Hz.

    A computed one is built for that rate. A network keeps its own, except that one made for
    audible sound is fed ultrasound as if it had been recorded at the network's rate: time
    expansion, as bat detectors do (384 kHz into a 32 kHz network is a factor of 12). Names with a
    plus between them, as ``mn04+melstats``, are one backbone with their embeddings side by side;
    they hear at the highest of the networks' rates.

    ``imported`` answers an imported network's bytes by its name, and raises UnknownBackbone.
    Raises BadApplication for options that no part of the backbone has, and BadBackbone.
    """
    names = name.split("+")
    computed = {one: row for one in names if isinstance(row := BACKBONES.get(one), Computed)}
    networks = {one: _network(one, sample_rate, imported) for one in names if one not in computed}
    if options and not computed:
        raise BadApplication(
            f"backbone_options: {name} is a network, which has no {', '.join(options)}."
        )
    heard_at = max((network.sample_rate for network in networks.values()), default=sample_rate)
    built = {
        one: Backbone.of(one, row.build(heard_at, options or {}), heard_at)
        for one, row in computed.items()
    }
    members = [(networks | built)[one] for one in names]
    return members[0] if len(members) == 1 else side_by_side(name, members)


def of_application(application: Application, imported: Callable[[str], bytes]) -> Backbone:
    """The backbone that an application names, as ``load`` finds it."""
    return load(
        application.backbone, application.sample_rate, imported, application.backbone_options
    )


def _network(name: str, sample_rate: int, imported: Callable[[str], bytes]) -> Backbone:
    row = BACKBONES.get(name)
    graph = parse(row.read() if isinstance(row, Shipped) else imported(name))
    own_rate = declared_rate(graph)
    if own_rate is None:
        raise BadBackbone(
            f"The backbone {name} does not say its sample rate: bring it in again by "
            "`earshot backbone import --sample-rate`."
        )
    expanded = own_rate < ULTRASOUND <= sample_rate
    return Backbone.of(name, graph, sample_rate if expanded else own_rate)


def parse(content: bytes) -> onnx.ModelProto:
    """The model in an ONNX file; raises BadBackbone."""
    try:
        return onnx.load_model_from_string(content)
    except DecodeError as error:
        raise BadBackbone(f"This is no ONNX file: {error}.") from error
