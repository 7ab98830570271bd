"""Mixed traffic, as a deployment has it: mostly predictions, some looks, now and then an upload.

``make load`` runs it, or Locust itself: ``locust -f tests/load/locustfile.py --host <address>``.
What is answered is looked at, not only its status: a wrong answer is a failure. ``/health`` is
asked for under a name of its own, and is no prediction. EARSHOT_TOKEN is sent along if it is set.
"""

from __future__ import annotations

import io
import os
import random
from functools import cache
from typing import Any

import numpy as np
import soundfile
from locust import HttpUser, between, task

from infra.local.sounds.surveillance import RATE, SOUNDS

FORMATS = (("WAV", "audio/wav"), ("FLAC", "audio/flac"), ("OGG", "audio/ogg"))
# Half a second to half a minute, in seconds.
LENGTHS_S = (0.5, 2.0, 4.0, 4.0, 10.0, 30.0)
DIFFERENT = 48


@cache
def recording(number: int) -> tuple[bytes, str, float]:
    """A file, its type, and its length in seconds."""
    label = sorted(SOUNDS)[number % len(SOUNDS)]
    length_s = LENGTHS_S[number % len(LENGTHS_S)]
    sound = np.resize(SOUNDS[label](np.random.default_rng(number)), int(length_s * RATE))
    container, kind = FORMATS[number % len(FORMATS)]
    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format=container)
    return file.getvalue(), kind, length_s


class Listener(HttpUser):
    """Somebody whose microphone sends clips, and who looks at the dashboard at times."""

    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        """Say who asks."""
        if token := os.environ.get("EARSHOT_TOKEN"):
            self.client.headers["Authorization"] = f"Bearer {token}"

    @task(60)
    def predict(self) -> None:
        """The file as the whole body."""
        file, kind, length_s = recording(random.randrange(DIFFERENT))
        self._post_clip("/predict", length_s, data=file, headers={"Content-Type": kind})

    @task(20)
    def predict_form(self) -> None:
        """The file in a form, with a parameter, so that the whole API is behind it."""
        file, kind, length_s = recording(random.randrange(DIFFERENT))
        files = {"file": ("clip", file, kind)}
        self._post_clip("/predict?top_k=2", length_s, top=2, files=files)

    @task(3)
    def predict_nothing(self) -> None:
        """What is no sound is refused, and says why."""
        with self.client.post(
            "/predict", data=b"not audio", name="/predict, no sound", catch_response=True
        ) as answer:
            if answer.status_code == 415 and answer.json()["code"] == "unsupported_format":
                answer.success()
            else:
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(6)
    def status(self) -> None:
        """Which model serves."""
        self._get("/status", lambda told: "siren" in told["model"]["classes"])

    @task(4)
    def samples(self) -> None:
        """How many samples there are."""
        self._get("/samples", lambda told: told["total"] >= 0)

    @task(2)
    def metrics(self) -> None:
        """What was predicted."""
        self._get("/metrics", lambda told: told["totals"]["predictions"] >= 0)

    @task(3)
    def upload(self) -> None:
        """A labelled clip, by the API; each another, so that it is counted."""
        label = random.choice(sorted(SOUNDS))
        noise = 0.1 * np.random.default_rng().standard_normal(RATE)
        file = io.BytesIO()
        soundfile.write(file, noise, RATE, format="WAV", subtype="PCM_16")
        with self.client.post(
            "/samples",
            files={"files": ("clip.wav", file.getvalue(), "audio/wav")},
            data={"label": label},
            catch_response=True,
        ) as answer:
            if answer.status_code != 202 or answer.json()["stored"] != 1:
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(2)
    def ask_to_upload(self) -> None:
        """Where to send a long recording."""
        wish = {"kind": "recording", "name": "night.wav", "size": 2_000_000, "site": "load"}
        with self.client.post("/uploads", json=wish, catch_response=True) as answer:
            if answer.status_code != 201 or not answer.json()["key"].startswith("recordings/load/"):
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")

    @task(1)
    def health(self) -> None:
        """Is it alive."""
        self._get("/health", lambda told: told == {"status": "ok"})

    def _post_clip(self, path: str, length_s: float, top: int = 4, **body: Any) -> None:
        with self.client.post(path, name="/predict", catch_response=True, **body) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")
                return
            told = answer.json()
            shares = told["probabilities"]
            is_right = (
                abs(sum(shares.values()) - 1) < 1e-3
                and told["confidence"] == max(shares.values()) == shares[told["label"]]
                and len(told["top"]) == top
                and abs(told["duration_s"] - length_s) < 0.1
                and told["segments"][-1]["end_s"] == round(told["duration_s"], 3)
                and told["request_id"] == answer.headers["x-request-id"]
            )
            if not is_right:
                answer.failure(f"a wrong answer: {answer.text[:200]}")

    def _get(self, path: str, is_right: Any) -> None:
        with self.client.get(path, catch_response=True) as answer:
            if answer.status_code != 200 or not is_right(answer.json()):
                answer.failure(f"{answer.status_code}: {answer.text[:200]}")
