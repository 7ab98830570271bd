"""Makes the shipped backbone: ``python -m retrain.distil FOLDER … --teacher FILE …``."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
from earshot.audio import resample
from rich.console import Console

from retrain.backbones import mn04
from retrain.dataset import is_held_out
from retrain.distil.graph import graph_of
from retrain.distil.lessons import Classroom, Lesson
from retrain.distil.scenes import RATE, Scenes
from retrain.distil.school import explained, teach
from retrain.folder import hear, labelled_files

console = Console(highlight=False)


def main() -> None:
    """Make the lessons that are lacking, teach, write the graph, and say how much was learnt."""
    parser = argparse.ArgumentParser(prog="python -m retrain.distil", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="clips, as `earshot train` reads")
    parser.add_argument("--teacher", type=Path, required=True, help=f"the file at {mn04.URL}")
    parser.add_argument("--lessons", type=int, default=88, help="of 2,048 scenes each")
    parser.add_argument("--minutes", type=float, default=24, help="of training on one core")
    parser.add_argument("--work", type=Path, required=True, help="where the lessons are kept")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)

    files = [file for folder in options.folders for file in labelled_files(folder)]
    # Labels are not looked at; still, what figures are made of must be new to the network.
    heard, notes = hear(files, lambda waveform: resample(waveform, RATE).samples)
    held_out = [one.made for one in heard if is_held_out(one.group)]
    clips = [one.made for one in heard if not is_held_out(one.group)]
    for note in notes:
        console.print(note, markup=False)
    console.print(f"{len(clips)} clips to learn from, {len(held_out)} held out.")

    checkpoint = options.teacher.read_bytes()
    if hashlib.sha256(checkpoint).hexdigest() != mn04.SHA256:
        parser.error(f"{options.teacher} is not the file at {mn04.URL}")
    classroom = Classroom(checkpoint)
    scenes = Scenes(clips)
    paths = [options.work / f"lesson-{number:03d}.npz" for number in range(options.lessons)]
    for number, path in enumerate(paths):
        classroom.teach(path, scenes, number)
        console.print(f"lesson {number + 1} of {options.lessons}", end="\r")
    lessons = [Lesson.load(path) for path in paths]
    student = teach(
        lessons,
        options.minutes,
        lambda share, step, loss: console.print(f"{share:4.0%} step {step} loss {loss:.4f}"),
    )
    onnx.save(graph_of(student), options.out)

    length = 4 * RATE
    unheard = np.stack([np.resize(clip, length) for clip in held_out])
    share = explained(student, classroom.hear(unheard), lessons)
    console.print(f"{options.out}: explains {share:.1%} of what the teacher says of the")
    console.print(f"{len(held_out)} held-out clips.")


if __name__ == "__main__":
    main()
