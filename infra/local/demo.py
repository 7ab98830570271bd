"""The loop, shown: sounds of our own are dropped, and what becomes of them is told line by line."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from infra.local.sounds import RATE, SOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from mypy_boto3_s3 import S3Client
    from rich.console import Console

CLIPS_PER_LABEL = 8
LOOK_EVERY_S = 0.3
PATIENCE_S = 300


def run(console: Console, api: str, s3: S3Client, bucket: str, stop: Event) -> None:
    """Drop samples, and follow them until a new version answers."""
    try:
        _Show(console, api, partial(s3.put_object, Bucket=bucket), stop).run()
    except (OSError, TimeoutError) as error:
        if not stop.is_set():
            console.print(f"[yellow]The demonstration ended early: {error}[/yellow]")
    except InterruptedError:
        return


class _Show:
    def __init__(self, console: Console, api: str, put: Callable[..., Any], stop: Event) -> None:
        self._console = console
        self._api = api
        self._put = put
        self._stop = stop
        self._started = time.monotonic()

    def run(self) -> None:
        before = self._get("/status")["model"]
        self._say("model", f"[bold]{before['version']}[/bold] is in service: the default bundle")
        random = np.random.default_rng(7)
        dropped = 0
        for label, make in SOUNDS.items():
            for number in range(CLIPS_PER_LABEL):
                key = f"samples/{label}/demo-{number + 1}.wav"
                self._put(Key=key, Body=wav(make(random)))
                dropped += 1
            self._say("drop", f"{CLIPS_PER_LABEL} files samples/{label}/demo-*.wav, made by us")
        self._until(lambda: self._counted(dropped))
        run = self._until(lambda: next(iter(self._get("/retrain")["runs"]), None))
        self._say("event", f"RetrainRequested: run [bold]{run['run']}[/bold], {run['reason']}")
        done = self._until(lambda: self._followed(run["run"]))
        for verdict in done["gates"]:
            mark = "[green]pass[/green]" if verdict["passed"] else "[red]refuse[/red]"
            self._say("gate", f"{mark} {verdict['gate']}: {verdict['detail']}")
        if done["state"] != "promoted":
            self._say("model", f"{done['state']}: {done['error'] or before['version'] + ' stays'}")
            return
        self._say("model", f"[bold]{done['version']}[/bold] is promoted")
        clip = wav(SOUNDS["siren"](random))
        heard = self._until(lambda: self._heard(clip, done["version"]))
        self._say(
            "predict",
            f"a new siren → [bold]{heard['label']}[/bold] {heard['confidence']:.2f} "
            f"({heard['decision']}), by {heard['model_version']}, {heard['processing_ms']} ms",
        )
        self._say("done", "The loop is closed. Drop your own recordings; Ctrl-C stops.")

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
                f"{found['progress']:.0%} · penalty {fold['penalty']}, fold {fold['fold']}: "
                f"accuracy {fold['accuracy']:.3f}, log loss {fold['log_loss']:.3f}",
            )
        elif found["stage"] != "done":
            self._say_once("stage", found["stage"])
        return found if found["finished_at"] else None

    def _heard(self, clip: bytes, version: str) -> dict[str, Any] | None:
        heard = self._get("/predict", clip)
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

    def _get(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            self._api + path, data=body, headers={"Content-Type": "audio/wav"}
        )
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


def wav(samples: np.ndarray[Any, Any]) -> bytes:
    """A 16-bit WAV file of mono samples at RATE."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
