"""``earshot analyze``: recordings of any length, heard here, without a stack."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from earshot.cli.exits import ExitCode
from earshot.cli.files import audio_below
from earshot.cli.options import AsJson, Form, Jobs
from earshot.cli.output import (
    console,
    fail,
    figure,
    note,
    print_json,
    print_table,
    problem,
    say,
    warn,
)
from earshot.errors import BadBundle, BadRecording, RecordingTooLarge, UnknownLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from earshot.detector import Detector
    from earshot.recording import Detection, Detections

Row = dict[str, Any]

# What ships with Earshot, of which this is the source.
SHIPPED = Path(__file__).resolve().parents[4] / "infra"
APPLICATION = "surveillance"
# What one file is refused for, and another may not be.
OF_ONE_FILE = (BadRecording, RecordingTooLarge, OSError)


@dataclass(frozen=True)
class Wish:
    """Which formats are made of what was found, and of which detections."""

    formats: Sequence[Form]
    labels: Sequence[str]
    min_confidence: float


def analyze(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", exists=True, help="Recordings, or folders of them."),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            envvar="EARSHOT_BUNDLE",
            exists=True,
            file_okay=False,
            help="A model version's folder; default: the one that ships for the application.",
        ),
    ] = None,
    application: Annotated[
        str | None,
        typer.Option(help=f"By name; default: the bundle's own, or {APPLICATION}."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where results go; default: beside each recording."),
    ] = None,
    form: Annotated[
        list[Form] | None,
        typer.Option("--format", help="JSON and only these; default: all. Repeatable."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Only these labels, in what is made beside JSON. Repeatable."),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Only what peaks at it or above, likewise.")
    ] = 0.0,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Hear recordings on this machine, of any length, and write down what is detected where.

    Beside each recording, or below --out: <file>.detections.json with everything, and the same
    as CSV, Raven's selection table and Audacity's labels. Whatever interrupts it, the same
    command goes on where it was; what this model has heard before is not heard again.
    """
    found = _recordings(paths, out)
    detector, background = _detector(bundle, application)
    if strangers := set(label or ()) - set(detector.card.labels):
        raise UnknownLabel(
            f"{min(strangers)!r} is not a label of {detector.card.version}: use "
            f"{', '.join(detector.card.labels)}."
        )
    wish = Wish(form or tuple(Form), label or (), min_confidence)
    run = _Run(detector, background, wish)
    run.over(found, jobs)
    _print(run, found, as_json)
    if any(row["state"] == "refused" for row in run.rows.values()):
        raise typer.Exit(ExitCode.REFUSED)


def _recordings(paths: Sequence[Path], out: Path | None) -> dict[Path, Path]:
    """Each recording, and the folder that its results go to: a tree like the one it lies in."""
    found: dict[Path, Path] = {}
    for given in paths:
        for path in audio_below(given) if given.is_dir() else [given]:
            below = path.relative_to(given).parent if given.is_dir() else Path()
            found[path] = path.parent if out is None else out / below
    if not found:
        raise BadRecording(f"There is no audio below {', '.join(map(str, paths))}.")
    places = Counter((folder, path.name) for path, folder in found.items())
    (folder, name), count = places.most_common(1)[0]
    if count > 1:
        raise typer.BadParameter(
            f"several recordings are called {name}, and their results would all go to {folder}: "
            "give the folder that holds them all",
            param_hint="--out",
        )
    return found


def _detector(bundle: Path | None, application: str | None) -> tuple[Detector, str | None]:
    """What hears, and the label that is no detection; raises BadBundle or BadApplication."""
    from earshot.application import Application
    from earshot.bundle import Bundle
    from earshot.detector import Detector

    if bundle is None:
        bundle = SHIPPED / "bundles" / (application or APPLICATION)
        if not bundle.is_dir():
            raise BadBundle(
                f"No bundle for {application or APPLICATION} is installed: say --bundle FOLDER."
            )
    detector = Detector(Bundle.load(bundle))
    detector.verify()
    file = SHIPPED / "applications" / f"{application or detector.card.application}.toml"
    # A bundle may be of an application that is not here; one that is asked for has to be.
    if application is None and not file.is_file():
        return detector, None
    return detector, Application.load(file).silence_label


class _Run:
    """One pass over recordings: a row for each, what was found in it, and the bar meanwhile."""

    def __init__(self, detector: Detector, background: str | None, wish: Wish) -> None:
        self.detector = detector
        self.rows: dict[Path, Row] = {}
        self.found: dict[Path, Detections] = {}
        self.heard_s = 0.0
        self.took_s = 0.0
        self._background = background
        self._wish = wish
        self._began = time.monotonic()
        self._lock = Lock()
        self._stop = Event()

    @property
    def speed(self) -> float:
        """How many times faster than real time; 0 when nothing had to be heard."""
        return self.heard_s / self.took_s if self.heard_s else 0.0

    def over(self, recordings: dict[Path, Path], jobs: int) -> None:
        """Analyse recordings, so many at a time.

        In threads, with one model for all: it runs outside of Python, as decoding does.
        """
        sizes = {path: path.stat().st_size for path in recordings}
        with _progress(len(recordings)) as bar, ThreadPoolExecutor(jobs) as pool:
            task = bar.add_task("analysing", total=sum(sizes.values()), done=0, hours=0, speed=0)

            def tell(size: float, heard_s: float) -> None:
                with self._lock:
                    self.heard_s += heard_s
                    self.took_s = time.monotonic() - self._began
                hours = self.heard_s / 3600
                bar.update(task, advance=size, done=len(self.rows), hours=hours, speed=self.speed)

            def one(path: Path) -> None:
                advanced = 0.0

                def progress(more: float, heard_s: float) -> None:
                    nonlocal advanced
                    advanced += more
                    tell(more * sizes[path], heard_s)

                self._one(path, recordings[path], progress)
                tell((1 - advanced) * sizes[path], 0.0)

            try:
                for future in as_completed([pool.submit(one, path) for path in recordings]):
                    future.result()
            except BaseException as error:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                if isinstance(error, KeyboardInterrupt):
                    note(
                        f"Stopped after {len(self.rows)} of {len(recordings)} recordings; the same "
                        "command goes on."
                    )
                raise

    def _one(self, path: Path, folder: Path, progress: Callable[[float, float], None]) -> None:
        from earshot import offline
        from earshot.field.detections import select
        from earshot.field.formats import FORMATS

        if self._stop.is_set():
            return
        try:
            outcome = offline.analyse(
                path,
                folder,
                self.detector,
                self._background,
                lambda: not self._stop.is_set(),
                progress,
            )
            if outcome is None:
                return
            found = select(outcome.found, self._wish.labels, self._wish.min_confidence)
            for form in set(self._wish.formats) - {Form.JSON}:
                offline.write(offline.result_file(path, folder, form), FORMATS[form].write(found))
        except OF_ONE_FILE as error:
            self.rows[path] = {"file": str(path), "state": "refused", **problem(error)}
            return
        self.found[path] = found
        self.rows[path] = {
            "file": str(path),
            "state": "there" if outcome.known else "analysed",
            "results": str(offline.result_file(path, folder, "json")),
            "duration_s": found.duration_s,
            "started_at": found.started_at,
            "cut": outcome.cut,
            "detections": dict(Counter(one.label for one in found.detections)),
        }


def _progress(total: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(f"{{task.fields[done]}} of {total} recordings"),
        TextColumn("{task.fields[hours]:.1f} h"),
        TextColumn("{task.fields[speed]:,.0f} x real time"),
        TimeRemainingColumn(),
        console=console,
    )


def _print(run: _Run, recordings: Iterable[Path], as_json: bool) -> None:
    rows = [run.rows[path] for path in recordings]
    states = Counter(row["state"] for row in rows)
    for row in rows:
        if row["state"] == "refused":
            fail(row["code"], f"{row['file']}: {row['detail']}")
        elif row["cut"]:
            warn(f"{row['file']} ends before its header says; what is there was analysed.")
    if as_json:
        print_json(
            {
                **{state: states[state] for state in ("analysed", "there", "refused")},
                "model_version": run.detector.card.version,
                "heard_s": round(run.heard_s, 3),
                "took_s": round(run.took_s, 3),
                "times_real_time": round(run.speed, 1),
                "recordings": rows,
            }
        )
        return
    _print_labels(run)
    words = [f"{states['analysed']} analysed", f"{states['there']} were before"]
    if states["refused"]:
        words.append(f"{states['refused']} refused")
    say(
        f"{len(rows)} recordings: {', '.join(words)}; {run.heard_s / 3600:.2f} h heard at "
        f"{run.speed:,.0f} times real time"
    )


def _print_labels(run: _Run) -> None:
    """How often each label was detected, and where most surely."""
    all_of = [(path, one) for path, found in run.found.items() for one in found.detections]
    surest: dict[str, tuple[Path, Detection]] = {}
    for path, one in sorted(all_of, key=lambda pair: pair[1].peak_confidence):
        surest[one.label] = path, one
    print_table(
        f"Detected by {run.detector.card.version}",
        ("label", ">detections", ">recordings", ">surest", "in", ">at"),
        (
            (
                label,
                sum(one.label == label for _, one in all_of),
                len({path for path, one in all_of if one.label == label}),
                figure(best.peak_confidence),
                path,
                f"{best.start_s:.1f} s",
            )
            for label, (path, best) in sorted(surest.items())
        ),
    )
