"""Each page of the navigation, in its order, and how to come to what it is for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from browsing import drawn, give
from conftest import clip, encode, pcm, tape
from onemachine import until
from playwright.sync_api import expect

from infra.local.sounds.surveillance import SOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, ViewportSize

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}
WAV = {"Content-Type": "audio/wav"}


def listen(page: Page) -> None:
    """A shot among sirens, and what the sirens are told by."""
    sounds = [pcm(label, seed) for seed, label in enumerate(("siren", "siren", "gunshot", "siren"))]
    give(page, "night.wav", encode(np.concatenate(sounds)))
    page.get_by_role("button", name="Show why").click()
    expect(page.locator(".why")).to_be_visible()
    drawn(page)


def recordings(page: Page) -> None:
    """A night of two sites, and one that is no recording."""
    given(page)
    expect(page.locator(".tally").first).to_be_visible()
    expect(page.locator(".recording")).to_have_count(4)


def search(page: Page) -> None:
    """A siren's like among what was heard, the nearest with its clip."""
    given(page)
    page.locator("input[type=file]").set_input_files(
        {"name": "siren.wav", "mimeType": "audio/wav", "buffer": clip("siren", 7)}
    )
    page.get_by_role("button", name="Listen to siren").first.click()
    drawn(page)


def review(page: Page) -> None:
    """The least certain of what waits."""
    given(page)
    expect(page.locator(".standing b").first).to_be_visible()
    drawn(page)


def given(page: Page) -> None:
    """See to it that recordings are there and heard, and look at the page again."""
    site, address = page.url.split("/#")[0], page.url
    known = page.request.get(f"{site}/recordings").json()["recordings"]
    if not known:
        for key, content in field().items():
            place = {"kind": "recording", "site": key.split("/")[0], "name": key.split("/")[1]}
            asked = page.request.post(f"{site}/uploads", data={**place, "size": len(content)})
            form = asked.json()
            file = {"name": place["name"], "mimeType": "audio/wav", "buffer": content}
            page.request.post(form["url"], multipart={**form["fields"], "file": file})

    def all_heard() -> bool:
        known = page.request.get(f"{site}/recordings").json()["recordings"]
        states = [one["state"] for one in known]
        return len(known) >= len(field()) and {*states} <= {"analysed", "refused"}

    until(all_heard, "the analysis of all recordings")
    page.goto("about:blank")
    page.goto(address)


@cache
def field() -> dict[str, bytes]:
    """Recordings, some of whose sounds are doubtful, and one file that is none."""
    hours = ["siren", "casual", "gunshot", "casual", "explosion", "siren"]
    night = [pcm(label, seed) for seed, label in enumerate(hours)]
    doubtful = [pcm("casual", seed) for seed in (1, 2, 4, 9, 177, 259)]
    return {
        "ridge/20261120_223000.WAV": encode(np.concatenate(night)),
        "ridge/20261121_060000.WAV": encode(np.concatenate(doubtful)),
        "harbour/20261119_220000.WAV": encode(np.concatenate(night[:3])),
        "harbour/20261119_230000.WAV": b"the card was full",
    }


def train(page: Page) -> None:
    """Some clips of each label, one file that is none, and a training with its gates."""
    trained(page)
    expect(page.locator(".run .gates li")).to_have_count(5)
    expect(page.locator(".counts tbody tr")).to_have_count(4)


def models(page: Page) -> None:
    """Two versions side by side."""
    trained(page)
    expect(page.locator(".versions tbody tr").nth(1)).to_be_visible()
    expect(page.locator(".confusion")).to_have_count(2)
    expect(page.locator(".reliability svg")).to_have_count(2)
    expect(page.locator(".chart canvas")).to_have_count(2)


def trained(page: Page) -> None:
    """See to it that there was a training, which takes a while, and look at the page again."""
    site, address = page.url.split("/#")[0], page.url
    if not page.request.get(f"{site}/retrain").json()["runs"]:
        for label in SOUNDS:
            for seed in range(3):
                file = {"name": f"{seed}.wav", "mimeType": "audio/wav", "buffer": clip(label, seed)}
                sent = {"label": label, "files": file}
                page.request.post(f"{site}/samples", multipart=sent)
        page.request.post(f"{site}/retrain", data={"reason": "new microphones at the gate"})
        until(
            lambda: page.request.get(f"{site}/retrain").json()["runs"][0]["finished_at"],
            "the end of the training",
        )
    page.goto("about:blank")
    page.goto(address)


def monitor(page: Page) -> None:
    """Answers, a file that is none, and an alert from the field that is listened to."""
    site = page.url.split("/#")[0]
    if not page.request.get(f"{site}/alerts").json()["alerts"]:
        for label in (*SOUNDS, "siren"):
            page.request.post(f"{site}/predict", data=clip(label), headers=WAV)
        page.request.post(f"{site}/predict", data=b"text", headers=WAV)
        record(page, "ridge", "20261121_061500.wav", tape())
    page.get_by_role("button", name="Hear gunshot at").first.click()
    drawn(page)
    expect(page.locator(".chart canvas")).not_to_have_count(0)


def record(page: Page, place: str, name: str, content: bytes) -> None:
    """Have a field recording come in, as the page Recordings does."""
    site = page.url.split("/#")[0]
    wish = {"kind": "recording", "site": place, "name": name, "size": len(content)}
    form = page.request.post(f"{site}/uploads", data=wish).json()
    if form["state"] == "wanted":
        file = {"name": name, "mimeType": "audio/wav", "buffer": content}
        page.request.post(form["url"], multipart={**form["fields"], "file": file})


def labels(page: Page) -> None:
    """All labels, each with its sound."""
    drawn(page, 4)


# What a page shows when its function returns is what is pictured and what is tested for access.
TOUR: dict[str, Callable[[Page], None]] = {
    "listen": listen,
    "recordings": recordings,
    "search": search,
    "review": review,
    "train": train,
    "models": models,
    "monitor": monitor,
    "labels": labels,
}
