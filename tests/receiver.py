"""A webhook's receiver on this machine, which checks signatures by the specification's library."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


class Receiver(ThreadingHTTPServer):
    """Answers posts with the statuses that it is told, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Post)
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(204, {}, b"")]
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def verified(self, secret: str = SECRET) -> list[dict[str, Any]]:
        """The posts, after the library has checked them."""
        webhook = Webhook(secret)
        return [webhook.verify(body, headers) for _, headers, body in self.posts]


class Post(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((self.path, headers, body))
        answers = self.server.answers
        status, more, said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens for as long as the context lasts."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
