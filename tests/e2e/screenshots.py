"""Pictures of each page for the docs, light and dark, wide and narrow: ``make screenshots``."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from browser_fixtures import chromium
from browsing import Site, local_site, visit
from conftest import REPOSITORY
from past import make_past
from PIL import Image
from tour import SIZES, TOUR

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OUT = REPOSITORY / "docs" / "screenshots"
# Pictures are committed: with so few colours they are half as large.
COLOURS = 224


def main(names: list[str]) -> None:
    """Picture the pages of these names, or all of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, chromium() as browser:  # noqa: SIM117
        with local_site(Path(data) / "data") as site:
            make_past(site)
            for name in names or TOUR:
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        picture(browser, site, name, size, scheme)


def picture(browser: Browser, site: Site, name: str, size: str, scheme: str) -> None:
    """Take a whole page, however high it is, as ``<name>-<size>-<scheme>.png``."""
    with visit(browser, viewport=SIZES[size], color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(f"{site.url}/#/{name}")
        TOUR[name](page)
        height = page.evaluate("document.documentElement.scrollHeight")
        # What sticks to the window's edges is where it belongs.
        page.set_viewport_size({"width": SIZES[size]["width"], "height": height})
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        taken = Image.open(io.BytesIO(page.screenshot()))
    file = OUT / f"{name}-{size}-{scheme}.png"
    plain(taken.convert("RGB")).save(file, optimize=True)
    print(f"{file.relative_to(REPOSITORY)}  {file.stat().st_size / 1000:.0f} kB")


def plain(taken: Image.Image) -> Image.Image:
    """The same in its most frequent colours: of the design none is another one then."""
    counted = taken.getcolors(taken.width * taken.height) or []
    frequent = [colour for _, colour in sorted(counted, reverse=True)[:COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in frequent for channel in colour])
    return taken.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main(sys.argv[1:])
