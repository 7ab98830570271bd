"""A running local stack, and what a reader does with its page."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from onemachine import local_stack
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

# A machine that tests in two processes is not quick.
PATIENCE_MS = 30_000
# https://github.com/dequelabs/axe-core: what keeps some people out.
GRAVE = {"serious", "critical"}


@dataclass(frozen=True)
class Site:
    """Where a local stack is, and its administrator's token where it asks for one."""

    url: str
    token: str | None
    s3: Any


def introduction(log: Path) -> str:
    """What a local stack says of itself, when it is there."""
    until = time.monotonic() + PATIENCE_MS / 1000
    while "Ctrl-C stops" not in (said := log.read_text()):
        assert time.monotonic() < until, said
        time.sleep(0.05)
    return said


@contextmanager
def local_site(data: Path, *options: str) -> Iterator[Site]:
    """A local stack on free ports, for as long as the context lasts."""
    # As many samples as `make run` asks for.
    with local_stack(data, "--no-demo", "--threshold", "25", *options) as local:
        said = re.search(r"EARSHOT_TOKEN=(\S+)", introduction(local.log))
        yield Site(local.api, said and said[1], local.s3)


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A reader's browser, with nothing stored in it yet."""
    with browser.new_context(locale="en-GB", **options) as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context


def watched(page: Page, faults: list[str]) -> Page:
    """Have ``faults`` collect what the page's console says is wrong: a broken policy, too.

    And whom it asks that is not on this machine: it works where there is no other.
    """
    page.on("request", lambda request: faults.extend(foreign(request.url)))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: faults.append(str(error)))
    return page


def foreign(address: str) -> list[str]:
    """An address that is neither the stack's nor made in the page."""
    parts = urlsplit(address)
    is_ours = parts.scheme in ("blob", "data") or parts.hostname == "127.0.0.1"
    return [] if is_ours else [f"asked {address}"]


def give(page: Page, name: str, content: bytes) -> None:
    """Choose a file, as the dialog of the system does."""
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    page.locator("input[type=file]").set_input_files(file)


def drawn(page: Page, number: int = 1) -> None:
    """Wait until so many spectrograms are painted."""
    expect(page.locator('[data-drawn="yes"]')).to_have_count(number, timeout=PATIENCE_MS)


def grave(page: Page) -> list[str]:
    """What axe finds wrong in a page that keeps some people out."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:150]} {node.get('failureSummary', '')}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
