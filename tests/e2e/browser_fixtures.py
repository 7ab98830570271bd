"""The fixtures of the tests in a browser: Debian's Chromium, driven by Playwright.

Test modules name this one as a plug-in, since a second ``conftest`` would hide the first.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from browsing import Site, local_site, visit, watched
from conftest import clip
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A local stack of the surveillance application, without tokens."""
    with local_site(tmp_path_factory.mktemp("site") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears: a siren, again and again."""
    file = tmp_path_factory.mktemp("microphone") / "siren.wav"
    file.write_bytes(clip("siren"))
    return file


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Chromium, without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # Tests may run as root, which the sandbox refuses; nothing but our own page is loaded.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", *arguments]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Browser]:
    """Chromium, whose microphone hears a siren.

    For a module only: while Playwright runs, no other event loop does, and Mangum needs one.
    """
    with chromium(*MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}") as found:
        yield found


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in the page; a test that expects something takes it out."""
    return []


@pytest.fixture
def page(browser: Browser, faults: list[str]) -> Iterator[Page]:
    """A page that must not have complained when the test ends."""
    with visit(browser, viewport={"width": 1280, "height": 900}) as context:
        context.grant_permissions(["microphone"])
        yield watched(context.new_page(), faults)
    assert faults == []
