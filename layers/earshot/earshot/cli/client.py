"""The HTTP API, asked: answers as values, problems as errors, a second try where one may help."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx2

from earshot import __version__
from earshot.cli.configuration import Given, read
from earshot.errors import ApiRefused, ApiUnreachable, StorageRefused, TokenRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import typer

    from earshot.cli.configuration import Configuration

# API Gateway gives up after 30 s; the rest is for slow lines.
TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
# Pauses of 0.5, 1, 2, 4 and 8 s, each drawn from its upper half: half a minute of no network.
TRIES = 6
PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
TOO_MANY = 429
# The most rows that a list of the API has at once.
PAGE = 100


class Api:
    """The API at one address; threads may share it.

    ``stop``, once set, ends pauses between tries at once.
    """

    def __init__(self, configuration: Configuration, stop: Event | None = None) -> None:
        self.endpoint = configuration.endpoint
        self.stop = stop or Event()
        self._headers = {"User-Agent": f"earshot/{__version__}"}
        if configuration.token:
            self._headers["Authorization"] = f"Bearer {configuration.token}"
        # The token is no default of this client: presigned addresses are asked through it, too.
        self._client = httpx2.Client(timeout=TIMEOUT)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def ask(self, method: str, path: str, *, tries: int = 1, **request: Any) -> Any:
        """What the API answers, decoded; None when it answers nothing.

        ``request`` is httpx2's. Raises ApiUnreachable, TokenRefused, or ApiRefused.
        """
        return self._decoded(self._answer(method, path, tries, **request))

    def text(self, path: str, **request: Any) -> str:
        """What the API answers to GET, as it is; raises as ``ask`` does."""
        return self._answer("GET", path, 1, **request).text

    def _answer(self, method: str, path: str, tries: int, **request: Any) -> httpx2.Response:
        def send() -> httpx2.Response:
            return self._client.request(
                method, self.endpoint + path, headers=self._headers, **request
            )

        response = self._try(send, tries)
        if response.is_success:
            return response
        if response.is_redirect:
            raise ApiUnreachable(
                f"{self.endpoint} only points to {response.headers.get('location', 'elsewhere')}. "
                "Use the address that the API itself has."
            )
        raise _refusal(response)

    def store(self, send: Callable[[httpx2.Client], httpx2.Response], tries: int = TRIES) -> None:
        """Send bytes to a presigned address, without the token.

        ``send`` does so once, from the start. Raises ApiUnreachable or StorageRefused.
        """
        response = self._try(lambda: send(self._client), tries)
        if not response.is_success:
            raise StorageRefused(response.status_code, _storage_words(response))

    def _try(self, send: Callable[[], httpx2.Response], tries: int) -> httpx2.Response:
        """The first answer that another try would not better, or the last one."""
        pause = PAUSE_S
        while True:
            tries -= 1
            asked = 0.0
            try:
                response = send()
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                if not tries or self.stop.is_set():
                    raise ApiUnreachable(f"{_host(error)} cannot be reached: {error}") from error
            except (httpx2.InvalidURL, UnicodeError) as error:
                raise ApiUnreachable(f"{self.endpoint} is no address: {error}") from error
            else:
                if not (response.status_code == TOO_MANY or response.is_server_error):
                    return response
                if not tries or self.stop.is_set():
                    return response
                asked = _asked_pause(response)
            self.stop.wait(min(max(pause, asked), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0))
            pause *= 2

    def _decoded(self, response: httpx2.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise ApiUnreachable(
                f"What answers at {self.endpoint} is not Earshot's API: "
                f"{response.headers.get('content-type', 'no content type')} in place of JSON."
            ) from None


@contextmanager
def connected(context: typer.Context) -> Iterator[Api]:
    """The API that the command line, environment or configuration file names."""
    given = context.obj if isinstance(context.obj, Given) else Given()
    api = Api(read(given))
    try:
        yield api
    finally:
        api.close()


def listed(
    api: Api, name: str, asked: Mapping[str, str | None], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """At most ``limit`` rows of the list ``/<name>``, page after page, and whether these are all.

    ``asked`` are its query parameters; those that are None are left out.
    """
    known = {parameter: value for parameter, value in asked.items() if value is not None}
    rows: list[dict[str, Any]] = []
    place: dict[str, str] = {}
    while len(rows) < limit:
        wanted = {"limit": min(limit - len(rows), PAGE)}
        page = api.ask("GET", f"/{name}", params={**known, **wanted, **place})
        rows += page[name]
        if page["next"] is None:
            return rows, True
        place = {"cursor": page["next"]}
    return rows, False


def _host(error: httpx2.HTTPError) -> str:
    url = error.request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _asked_pause(response: httpx2.Response) -> float:
    """Seconds that the answer asks to wait; 0 when it does not say, or says a date."""
    asked = response.headers.get("retry-after", "")
    return float(asked) if re.fullmatch(r"[0-9]{1,6}", asked) else 0.0


def _refusal(response: httpx2.Response) -> ApiRefused:
    """The problem of an answer; API Gateway's own have no code, but a message."""
    try:
        said = response.json()
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    phrase = response.reason_phrase or f"HTTP status {response.status_code}"
    code = str(said.get("code") or phrase.lower().replace(" ", "_"))
    detail = str(said.get("detail") or said.get("message") or phrase)
    kind = TokenRefused if response.status_code in (401, 403) else ApiRefused
    return kind(response.status_code, code, detail)


def _storage_words(response: httpx2.Response) -> str:
    """What S3 says, which is XML: its code and message."""
    found = [re.search(rf"<{name}>([^<]*)</{name}>", response.text) for name in ("Code", "Message")]
    said = ": ".join(match[1] for match in found if match)
    return f"The bucket refused the bytes: {said or f'HTTP status {response.status_code}'}."
