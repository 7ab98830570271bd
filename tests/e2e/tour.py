"""Each page of the navigation, in its order, and how to come to what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from browsing import drawn, give
from conftest import encode, pcm
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page, ViewportSize

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}


def listen(page: Page) -> None:
    """A shot among sirens, and what the sirens are told by."""
    sounds = [pcm(label, seed) for seed, label in enumerate(("siren", "siren", "gunshot", "siren"))]
    give(page, "night.wav", encode(np.concatenate(sounds)))
    page.get_by_role("button", name="Show why").click()
    expect(page.locator(".why")).to_be_visible()
    drawn(page)


def labels(page: Page) -> None:
    """All labels, each with its sound."""
    drawn(page, 4)


# What a page shows when its function returns is what is pictured and what is tested for access.
TOUR: dict[str, Callable[[Page], None]] = {
    "listen": listen,
    "labels": labels,
}
