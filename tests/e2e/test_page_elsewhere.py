"""The dashboard from a host of its own, as from S3: it calls an API that is somewhere else."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import numpy as np
from browsing import PATIENCE_MS, give, local_site, visit, watched
from conftest import encode
from playwright.sync_api import expect

from infra import page as infra_page
from infra.local import endpoint

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_page_on_another_host_listens_and_uploads(
    browser: Browser, tmp_path: Path, faults: list[str]
) -> None:
    port = endpoint.free_port()
    home = f"http://127.0.0.1:{port}"
    folder = tmp_path / "page"
    with local_site(tmp_path / "data", "--cors", home) as site:
        infra_page.write(f"{site.url}/", folder)
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever).start()
        try:
            with visit(browser) as context:
                page = watched(context.new_page(), faults)
                page.goto(home)
                page.get_by_role("button", name="siren", exact=True).click()
                heading = page.locator(".verdict").get_by_role("heading")
                expect(heading).to_have_text("siren")
                expect(page.get_by_role("link", name="API")).to_have_attribute(
                    "href", f"{site.url}/docs"
                )
                give(page, "long.wav", encode(np.zeros(160 * 16_000, np.int16)))
                page.get_by_label("Site where it was made").fill("ridge")
                page.get_by_role("button", name="Send as a field recording").click()
                expect(page.get_by_text("It is there, as recordings/ridge/")).to_be_visible()
        finally:
            server.shutdown()
            server.server_close()
    assert faults == []
