"""``earshot predict``: what is heard in files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from earshot.cli.client import TRIES, Api, connected
from earshot.cli.exits import ExitCode
from earshot.cli.files import audio_below
from earshot.cli.options import AsJson, Jobs
from earshot.cli.output import fail, figure, print_json, print_table, problem, say
from earshot.errors import ApiRefused, BadRecording, TokenRefused


def predict(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", exists=True, help="Recordings, or folders.")
    ],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many labels to show.")] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which times and frequencies it hangs on.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Ask people what the uncertain ones are.")
    ] = False,
    jobs: Jobs = 4,
    as_json: AsJson = False,
) -> None:
    """Hear recordings, and say what they are.

    As JSON one file gives one object, several files or a folder a list of them. One that was
    refused has code and detail in place of an answer, or beside it if only asking people failed.
    What they are asked is told by its ids, as review.
    """
    paths = [
        path for given in files for path in (audio_below(given) if given.is_dir() else [given])
    ]
    if not paths:
        raise BadRecording(f"There is no audio below {', '.join(map(str, files))}.")
    wish = {"top_k": top_k, "explain": explain}
    with connected(context) as api, ThreadPoolExecutor(jobs) as pool:
        try:
            answers = list(pool.map(lambda path: _ask(api, path, wish, review), paths))
        except BaseException:
            api.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    for answer in answers:
        if "code" in answer:
            fail(answer["code"], f"{answer['file']}: {answer['detail']}")
    if as_json:
        alone = len(files) == 1 and not files[0].is_dir()
        print_json(answers[0] if alone else answers)
    else:
        _print([answer for answer in answers if "label" in answer], review)
    if any("code" in answer for answer in answers):
        raise typer.Exit(ExitCode.REFUSED)


def _ask(api: Api, path: Path, wish: dict[str, Any], review: bool) -> dict[str, Any]:
    """The API's answer for a file, or its refusal of it; what concerns all files is raised.

    With ``review`` people are asked about what is uncertain.
    """
    answer: dict[str, Any] = {"file": str(path)}
    try:
        with path.open("rb") as file:
            content = {"file": (path.name, file)}
            answer |= api.ask("POST", "/predict", tries=TRIES, params=wish, files=content)
            if review and answer["decision"] == "uncertain":
                asked = api.ask("POST", "/review", tries=TRIES, files=content)["reviews"]
                answer["review"] = [one["review"] for one in asked]
    except TokenRefused:
        raise
    except (ApiRefused, OSError) as error:
        answer |= problem(error)
    return answer


def _print(answers: list[dict[str, Any]], review: bool) -> None:
    if answers:
        print_table(
            f"Heard by {', '.join(sorted({answer['model_version'] for answer in answers}))}",
            ("file", "label", ">confidence", "decision", ">seconds", "then")
            + (("review",) if review else ()),
            (
                (
                    answer["file"],
                    answer["label"],
                    figure(answer["confidence"]),
                    answer["decision"],
                    figure(answer["duration_s"], 1),
                    ", ".join(
                        f"{other['label']} {figure(other['confidence'])}"
                        for other in answer["top"][1:]
                    ),
                )
                + ((", ".join(answer.get("review", [])),) if review else ())
                for answer in answers
            ),
        )
    for answer in answers:
        if found := answer.get("explanation"):
            say(f"{answer['file']}: {_explained(found)}")


def _explained(found: dict[str, Any]) -> str:
    """The time and the band without which the answer loses most."""
    time, band = (
        max(range(len(shares)), key=shares.__getitem__)
        for shares in (found["time_importance"], found["band_importance"])
    )
    times, bands = found["times_s"], found["frequencies_hz"]
    return (
        f"{found['label']} hangs most on {times[time]:.2f} to {times[time + 1]:.2f} s "
        f"({found['time_importance'][time]:+.2f} {found['unit']}) and on {bands[band]:.0f} to "
        f"{bands[band + 1]:.0f} Hz ({found['band_importance'][band]:+.2f} {found['unit']})"
    )
