"""The network that is taught: residual 3 x 3 convolutions over a log-mel spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

# Channels of each stage, every stage halving time and bands, and how many residual convolutions
# follow the halving one. Early stages are wide in time and bands, so they are thin.
CHANNELS = (16, 32, 64, 128, 256)
RESIDUALS = (0, 1, 2, 2, 1)
# What a log-mel spectrogram is brought to about -1 to 1 by.
CENTRE, SPREAD = -8.0, 4.0
# Between the embedding and what the teachers said; thrown away after the lessons.
HIDDEN = 768


class Convolution(nn.Module):  # type: ignore[misc]  # torch comes without types here
    """3 x 3, normalised, rectified; with a stride of 1 it adds to what it was given."""

    def __init__(self, entering: int, leaving: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(entering, leaving, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(leaving)
        self.is_residual = stride == 1

    def forward(self, x: Any) -> Any:
        """``[batch, channels, bands, frames]`` to the same."""
        y = self.norm(self.conv(x))
        return functional.relu(x + y if self.is_residual else y)

    def folded(self) -> tuple[Any, Any]:
        """Weights and bias with the normalisation inside, as numpy arrays."""
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        weights = self.conv.weight * scale[:, None, None, None]
        bias = self.norm.bias - self.norm.running_mean * scale
        return weights.detach().numpy(), bias.detach().numpy()


class Student(nn.Module):  # type: ignore[misc]
    """``[batch, bands, frames]`` log-mel → embedding; ``answers`` are compared with the teacher's.

    The embedding is the mean over time, and then the maximum, of the last stage's channels, each
    averaged over bands.
    """

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_stages())
        self.hidden = nn.Linear(2 * CHANNELS[-1], HIDDEN)
        self.out = nn.Linear(HIDDEN, answers)

    def forward(self, log_mel: Any) -> Any:
        """The embedding, ``[batch, 2 * CHANNELS[-1]]``."""
        series = self.body(((log_mel - CENTRE) / SPREAD)[:, None]).mean(2)
        return torch.cat([series.mean(2), series.amax(2)], 1)

    def answers(self, embedding: Any) -> Any:
        """What the teacher is expected to say, standardised."""
        return self.out(functional.relu(self.hidden(embedding)))


def _stages() -> Iterator[Convolution]:
    entering = 1
    for channels, residuals in zip(CHANNELS, RESIDUALS, strict=True):
        yield Convolution(entering, channels, 2)
        for _ in range(residuals):
            yield Convolution(channels, channels, 1)
        entering = channels
