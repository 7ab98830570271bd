"""The loop, shown: sounds of our own are dropped, and what becomes of them is told line by line."""

from __future__ import annotations

import io
import json
import time
import urllib.error
import urllib.request
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from infra.local.sounds import REPERTOIRES

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from mypy_boto3_s3 import S3Client
    from rich.console import Console

    from infra.local.sounds import Repertoire

# So much more than starts a training is dropped.
MARGIN = 1.25
# A first model is judged by the fifth that is held out: of fewer clips it proves too little.
FIRST_CLIPS = 80
LOOK_EVERY_S = 0.3
PATIENCE_S = 300


def run(
    console: Console,
    api: str,
    token: str | None,
    s3: S3Client,
    bucket: str,
    stop: Event,
    application: str,
) -> None:
    """Drop samples of an application, and follow them until a new version answers."""
    repertoire = REPERTOIRES.get(application)
    if repertoire is None:
        console.print(f"There are no sounds of ours for {application}: drop your own recordings.")
        return
    try:
        _Show(console, api, token, partial(s3.put_object, Bucket=bucket), stop, repertoire).run()
    except (OSError, TimeoutError) as error:
        if not stop.is_set():
            console.print(f"[yellow]The demonstration ended early: {error}[/yellow]")
    except InterruptedError:
        return


class _Show:
    def __init__(
        self,
        console: Console,
        api: str,
        token: str | None,
        put: Callable[..., Any],
        stop: Event,
        repertoire: Repertoire,
    ) -> None:
        self._console = console
        self._api = api
        self._access = {"Authorization": f"Bearer {token}"} if token else {}
        self._put = put
        self._stop = stop
        self._repertoire = repertoire
        self._random = np.random.default_rng(7)
        self._started = time.monotonic()

    def run(self) -> None:
        before = self._get("/status")["model"]
        self._say(
            "model",
            f"[bold]{before['version']}[/bold] is in service: the default bundle"
            if before
            else "There is none yet: /predict answers 503 until the first is trained",
        )
        dropped = self._drop(is_first=before is None)
        self._until(lambda: self._counted(dropped))
        done = self._trained(self._until(self._last_run))
        while done["state"] != "promoted":
            stays = f"{before['version']} stays" if before else "there is still none"
            self._say("model", f"{done['state']}: {done['error'] or stays}")
            # Some of the samples may have come too late for it.
            again = self._next_run(done)
            if again is None:
                return
            done = self._trained(again)
        self._say("model", f"[bold]{done['version']}[/bold] is promoted")
        label = self._repertoire.alarming
        clip = self._clip(label)
        heard = self._until(lambda: self._heard(clip, done["version"]))
        self._say(
            "predict",
            f"a new {label} → [bold]{heard['label']}[/bold] {heard['confidence']:.2f} "
            f"({heard['decision']}), by {heard['model_version']}, {heard['processing_ms']} ms",
        )
        self._say("done", "The loop is closed. Drop your own recordings; Ctrl-C stops.")

    def _drop(self, is_first: bool) -> int:
        """Drop clips of all labels in turn; returns how many."""
        labels = list(self._repertoire.sounds)
        wanted = MARGIN * self._get("/samples")["threshold"]
        each = ceil((max(wanted, FIRST_CLIPS) if is_first else wanted) / len(labels))
        self._say("make", f"{each} clips each of {', '.join(labels)}")
        # Made first: dropped one after the other, they come in before the training reads them.
        clips = [
            (f"samples/{label}/demo-{number + 1}.wav", self._clip(label))
            for number in range(each)
            for label in labels
        ]
        for key, body in clips:
            self._put(Key=key, Body=body)
        self._say("drop", f"{len(clips)} files samples/<label>/demo-*.wav, made by us")
        return len(clips)

    def _clip(self, label: str) -> bytes:
        """A 16-bit WAV file of another sound of a label."""
        file = io.BytesIO()
        sound = self._repertoire.sounds[label](self._random)
        soundfile.write(file, sound, self._repertoire.sample_rate, format="WAV", subtype="PCM_16")
        return file.getvalue()

    def _last_run(self) -> dict[str, Any] | None:
        return next(iter(self._get("/retrain")["runs"]), None)

    def _next_run(self, done: dict[str, Any]) -> dict[str, Any] | None:
        """The run after one that promoted nothing; None when there is nothing new to learn."""
        if self._get("/samples")["new_samples"]:
            try:
                self._send("/retrain", b'{"reason": "all samples are in by now"}')
            except urllib.error.HTTPError as error:
                # It is an answer too, and keeps its connection open.
                error.close()
                if error.code != HTTPStatus.CONFLICT:
                    raise
        last = self._last_run()
        return last if last and last["run"] != done["run"] else None

    def _trained(self, run: dict[str, Any]) -> dict[str, Any]:
        """Follow a run to its end and tell what the gates said."""
        self._say("event", f"RetrainRequested: run [bold]{run['run']}[/bold], {run['reason']}")
        done: dict[str, Any] = self._until(lambda: self._followed(run["run"]))
        for verdict in done["gates"]:
            mark = "[green]pass[/green]" if verdict["passed"] else "[red]refuse[/red]"
            self._say("gate", f"{mark} {verdict['gate']}: {verdict['detail']}")
        for note in done["notes"]:
            self._say("note", note)
        return done

    def _counted(self, wanted: int) -> bool:
        """Tell the counts when they have changed; whether all are in."""
        samples = self._get("/samples")
        counts = ", ".join(f"{label} {n}" for label, n in samples["labels"].items())
        if counts:
            self._say_once("count", counts)
        return bool(samples["total"] >= wanted)

    def _followed(self, run: str) -> dict[str, Any] | None:
        """Tell the stage and the last fold when they have changed; the run when it is over."""
        found = self._get(f"/retrain/{run}")
        if found["curve"] and found["stage"] == "fitting":
            fold = found["curve"][-1]
            self._say_once(
                "fitting",
                f"{found['progress']:.0%} · {fold['candidate']}, fold {fold['fold']}: "
                f"accuracy {fold['accuracy']:.3f}, log loss {fold['log_loss']:.3f}",
            )
        elif found["stage"] != "done":
            self._say_once("stage", found["stage"])
        return found if found["finished_at"] else None

    def _heard(self, clip: bytes, version: str) -> dict[str, Any] | None:
        heard = self._send("/predict", clip, "audio/wav")
        return heard if heard["model_version"] == version else None

    def _until(self, look: Callable[[], Any]) -> Any:
        """Look until there is something; raises TimeoutError, or InterruptedError at a stop."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if found := look():
                return found
            if self._stop.wait(LOOK_EVERY_S):
                raise InterruptedError
        raise TimeoutError(f"nothing happened within {PATIENCE_S} s")

    def _get(self, path: str) -> Any:
        return self._answer(urllib.request.Request(self._api + path, headers=self._access))

    def _send(self, path: str, body: bytes, content_type: str = "application/json") -> Any:
        headers = {"Content-Type": content_type, **self._access}
        return self._answer(urllib.request.Request(self._api + path, data=body, headers=headers))

    def _answer(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    _last = ""

    def _say_once(self, what: str, text: str) -> None:
        if text != self._last:
            self._last = text
            self._say(what, text)

    def _say(self, what: str, text: str) -> None:
        passed = time.monotonic() - self._started
        self._console.print(f"[dim]{passed:5.1f} s[/dim] [cyan]{what:>8}[/cyan]  {text}")
