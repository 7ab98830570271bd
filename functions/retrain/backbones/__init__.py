"""Backbones: ONNX graphs from ``waveform`` to ``embedding``, by the name an application gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrain.backbones import melstats

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

# Name → the graph for a sample rate in Hz.
BACKBONES: dict[str, Callable[[int], onnx.ModelProto]] = {
    "melstats": melstats.build,
}
