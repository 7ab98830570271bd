"""Training: the student learns to say what the teacher said."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from retrain.distil.student import Student

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from retrain.distil.lessons import Lesson

BATCH = 128
RATE = 2e-3
WARM_UP_STEPS = 200
WEIGHT_DECAY = 0.02
CLIPPED_AT = 5.0
# What is kept of the running mean of the weights, which hears better than the last weights do.
KEPT = 0.999
# Frames cut from a scene's start, at random: less than the network's stride, so what the teacher
# said still holds.
SHIFT = 16
SEED = 0


def teach(
    lessons: Sequence[Lesson], minutes: float, tell: Callable[[float, int, float], None]
) -> Student:
    """Train for so many minutes on one core; ``tell`` is given share done, step and loss.

    The loss is the mean squared error of standardised answers, 1 for a student who knows nothing.
    The rate falls to nothing in proportion to the time.
    """
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    random = np.random.default_rng(SEED)
    said = np.concatenate([lesson.said for lesson in lessons]).astype(np.float32)
    mean, spread = torch.tensor(said.mean(axis=0)), torch.tensor(said.std(axis=0) + 1e-3)
    student = Student(said.shape[1]).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(student.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    average: Student = copy.deepcopy(student)
    started, step, losses = time.monotonic(), 0, [1.0]
    while (share := (time.monotonic() - started) / (60 * minutes)) < 1:
        lesson = lessons[int(random.integers(len(lessons)))]
        for few in np.split(random.permutation(len(lesson.said))[: 8 * BATCH], 8):
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1, step / WARM_UP_STEPS) * max(0.0, 1 - share)
            log_mel = lesson.log_mel[few, :, random.integers(SHIFT) :].astype(np.float32)
            wanted = (torch.tensor(lesson.said[few].astype(np.float32)) - mean) / spread
            with torch.autocast("cpu", torch.bfloat16):
                answers = student.answers(student(torch.tensor(log_mel)))
            loss = (answers.float() - wanted).square().mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), CLIPPED_AT)
            optimiser.step()
            step += 1
            losses.append(loss.item())
            _follow(average, student, min(KEPT, step / (step + 50)))
        tell(share, step, float(np.mean(losses[-300:])))
    average.eval()
    return average


def _follow(average: Any, student: Any, kept: float) -> None:
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), student.state_dict().values(), strict=True)
        for mean, new in pairs:
            if mean.is_floating_point():
                mean.lerp_(new, 1 - kept)
            else:
                mean.copy_(new)


def explained(student: Student, lesson: Lesson, lessons: Sequence[Lesson]) -> float:
    """The share of the teacher's variance on ``lesson`` that the student has learnt.

    Answers are standardised as in the ``lessons`` that were learnt from.
    """
    said = np.concatenate([one.said for one in lessons]).astype(np.float32)
    mean, spread = said.mean(axis=0), said.std(axis=0) + 1e-3
    wanted = (lesson.said.astype(np.float32) - mean) / spread
    with torch.no_grad():
        heard = torch.tensor(lesson.log_mel.astype(np.float32))
        answers = torch.cat([student.answers(student(few)) for few in heard.split(64)]).numpy()
    error = np.square(answers - wanted).mean()
    return float(1 - error / np.square(wanted - wanted.mean(axis=0)).mean())
