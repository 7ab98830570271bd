"""HTTP as nobody should speak it, to a real uvicorn over a real socket.

Whatever comes, there is no 5xx and no hang, every error is a problem, and the next good recording
is heard right. EARSHOT_FUZZ says how many mutated requests are tried; the same number tries the
same ones.
"""

from __future__ import annotations

import os
import random
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from odd_forms import FILE, FORMS, SHORT, form
from raw_http import NOT_HTTP, Server, request, running

MUTANTS = int(os.environ.get("EARSHOT_FUZZ", "500"))
# How long a mutated request, which may promise more than it holds, is waited on.
MUTANT_PATIENCE_S = 0.3
# What a process that has heard a few recordings may grow by.
GROWTH_MB = 200
ODD = (
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\n",
    b" ",
    b":",
    b"%",
    b"%00",
    b"../",
    b";",
    b'"',
    b"=",
    b"9" * 20,
)
AUDIO, JSON = "Content-Type: audio/wav", "Content-Type: application/json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("http") / "log"
    with running(log) as server:
        yield server
        server.hears()
    # Nobody else's nonsense is an error of ours, not even one that is only logged.
    told = log.read_text()
    assert '"level":"INFO"' in told
    assert '"level":"ERROR"' not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("name", FORMS)
def test_an_odd_form_is_heard_or_refused(server: Server, name: str) -> None:
    sent, status = FORMS[name]
    answer = server.send(sent)
    answer.check()
    assert answer.status == status, answer


@pytest.mark.parametrize(
    "query",
    [
        *("top_k=1e309", "top_k=NaN", "top_k=-1", "top_k=0", "top_k=", "top_k=1.5", "top_k=0x10"),
        *(f"top_k={'9' * 5000}", "top_k=101", "top_k=%00", "top_k=%zz", "top_k=%ff", "top_k[]=1"),
        *("top_k=%D9%A3%00", "explain=maybe", "explain=%F0%9F%94%8A", "top_k=2&top_k=NaN"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(server: Server, query: str) -> None:
    answer = server.send(request(f"/predict?{query}", AUDIO, method="POST", body=SHORT))
    answer.check()
    # One that is not known is none of ours.
    assert answer.status == (200 if query == "top_k[]=1" else 422), answer


@pytest.mark.parametrize(
    "query", ["%", "&&&===", "a=%ff%fe", "a" * 30_000, "?" * 100, "a=1;b=2", "%00=%0d%0aX:1", "="]
)
def test_a_query_that_nobody_asked_for_changes_nothing(server: Server, query: str) -> None:
    answer = server.send(request(f"/health?{query}"))
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    "name",
    [
        *("%00", "a%00b", "%2e%2e", "..", "...", "%2F.", "..%2f..%2fchampion.json", "%ff%fe"),
        *("%F0%9F%94%8A", "x" * 200, "x" * 5000, "a%20b", "a%0d%0ab", "*", "%25", "~", "'", '"'),
        *("%C3%A9", "a;b", "a:b", "card.json", "-", "%7Bversion%7D", "null", "\\..\\", "%EF%BC%8E"),
    ],
)
def test_a_name_that_leads_elsewhere_leads_nowhere(server: Server, name: str) -> None:
    body = b'{"reason": "I say so"}'
    for sent in (
        request(f"/models/{name}"),
        request(f"/retrain/{name}"),
        request(f"/recordings/{name}"),
        request(f"/recordings/{name}/detections"),
        request(f"/review/{name}/clip"),
        request(f"/models/{name}/promote", JSON, method="POST", body=body),
    ):
        answer = server.send(sent)
        answer.check()
        assert answer.status in (400, 404, 422), (sent[:200], answer)


@pytest.mark.parametrize(
    "target",
    [
        *("//health", "/./health", "/nothing/../health", "/health;x=1", "/health%20", "/health%00"),
        *("/HEALTH", "/health/nothing", "*", "/%2e%2e/%2e%2e/etc/passwd", "/web/../../app.py"),
    ],
)
def test_a_path_that_is_none_is_not_found(server: Server, target: str) -> None:
    answer = server.send(request(target))
    answer.check()
    assert answer.status == 404, answer


@pytest.mark.parametrize(
    "header",
    [
        *("Accept: x", "Accept: */*;q=NaN", f"Accept: {'a/b,' * 5000}", "Accept: \xff"),
        *("Accept-Encoding: gzip;q=0, *;q=0", "Range: bytes=0-0", "Range: bytes=9999999-"),
        *("Range: bytes=b-a", f"Range: bytes={'0-0,' * 1000}", "Range: lines=1-2", "Range: "),
        *("If-None-Match: *", 'If-Match: "none"', "If-Modified-Since: yesterday", "If-Range: x"),
        *("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "X-Request-Id: a\xffb"),
        *("X-Forwarded-For: ', --", "X-Forwarded-Proto: gopher", "Cookie: \x80=;;;=", "Via: "),
        *("Authorization: Bearer \xff", "Authorization: Basic !", "Origin: null", "TE: trailers"),
        *("Upgrade: websocket\r\nConnection: Upgrade", f"X-Long: {'h' * 30_000}", "Expect: a cat"),
        *("Host: [", "Content-Type: \xff/\x80", "Content-Length: 0", "X-Twice: 1\r\nX-Twice: 2"),
    ],
)
def test_a_header_that_makes_no_sense_changes_nothing(server: Server, header: str) -> None:
    for target, status in (("/", 200), ("/health", 200), ("/models", 200), ("/nothing", 404)):
        answer = server.send(request(target, header))
        answer.check()
        assert answer.status == status or answer.body == NOT_HTTP, answer


RAW: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "unknown method": (request("/health", method="BREW"), (405,)),
    "small letters": (request("/health", method="get"), (405,)),
    "long method": (request("/health", method="X" * 5000), (405,)),
    "CONNECT": (request("example.org:443", method="CONNECT"), (404, 405)),
    "OPTIONS of everything": (request("*", method="OPTIONS"), (404, 405)),
    "TRACE": (request("/health", "Max-Forwards: 0", method="TRACE"), (405,)),
    "whole address": (request("http://example.org/health"), (404,)),
    "raw bytes in the path": (request(b"/\xff\x00\x80"), (400,)),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", (400,)),
    "HTTP/1.0": (b"GET /health HTTP/1.0\r\n\r\n", (200,)),
    "HTTP/0.9": (b"GET /health\r\n\r\n", (400,)),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 404)),
    "HTTP/9.9": (request("/health", version="HTTP/9.9"), (200, 400)),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", (400,)),
    "nothing but line ends": (b"\r\n" * 100 + request("/health"), (200, 400)),
    "headers beyond measure": (request("/health", f"X: {'h' * 100_000}"), (200, 400)),
    "ten thousand headers": (request("/health", *(f"X-{n}: 1" for n in range(10_000))), (200, 400)),
    "a header without a name": (request("/health", ": 1"), (400,)),
    "a header over two lines": (request("/health", "X: 1\r\n 2"), (200, 400)),
    "NUL in a header": (request("/health", "X: a\x00b"), (400,)),
    "two lengths": (
        request("/predict", "Content-Length: 5", "Content-Length: 6", method="POST", body=b"x"),
        (400,),
    ),
    "negative length": (
        request("/predict", "Content-Length: -1", method="POST", body=b"x"),
        (400,),
    ),
    "length in words": (
        request("/predict", "Content-Length: ten", method="POST", body=b"x"),
        (400,),
    ),
    "length beyond measure": (
        request("/predict", f"Content-Length: {'9' * 19}", method="POST", body=b"x"),
        (413,),
    ),
    "a length of many digits": (
        request("/predict", f"Content-Length: {'9' * 5000}", method="POST", body=b"x"),
        (400, 413),
    ),
    "length and chunks": (
        request("/predict", AUDIO, "Content-Length: 3", "Transfer-Encoding: chunked",
                method="POST", body=b"3\r\nabc\r\n0\r\n\r\n"),
        (400, 415),
    ),
    "unknown encoding": (
        request("/predict", "Transfer-Encoding: gzip", method="POST", body=b"x"), (400,)
    ),
    "chunks": (
        request("/predict", AUDIO, "Transfer-Encoding: chunked", "Content-Length: 0",
                method="POST").replace(b"Content-Length: 0\r\n", b"")
        + b"%x;name=value\r\n%s\r\n0\r\nTrailer: 1\r\n\r\n" % (len(SHORT), SHORT),
        (200,),
    ),
    "a chunk without a size": (
        request("/predict", "Transfer-Encoding: chunked", method="POST") + b"xyz\r\nabc\r\n", (400,)
    ),
    "a chunk beyond measure": (
        request("/predict", "Transfer-Encoding: chunked", method="POST") + b"F" * 30 + b"\r\nabc",
        (400,),
    ),
    "six megabytes in chunks": (
        request("/predict", "Transfer-Encoding: chunked", method="POST")
        + b"186a0\r\n" + bytes(100_000) + b"\r\n" + (b"186a0\r\n" + bytes(100_000) + b"\r\n") * 59
        + b"0\r\n\r\n",
        (413,),
    ),
    "six megabytes of JSON in chunks": (
        request("/retrain", JSON, "Transfer-Encoding: chunked", method="POST")
        + (b"186a0\r\n" + b" " * 100_000 + b"\r\n") * 60 + b"0\r\n\r\n",
        (413,),
    ),
    "waits to be asked": (
        request("/predict", AUDIO, "Expect: 100-continue", method="POST", body=SHORT), (200,)
    ),
    "a body with GET": (request("/health", method="GET", body=b"x" * 1000), (200,)),
    "HEAD": (request("/nothing", method="HEAD"), (404,)),
    "nesting beyond measure": (
        request("/retrain", JSON, method="POST", body=b"[" * 1_000_000), (400,)
    ),
    "nesting of objects": (
        request("/retrain", JSON, method="POST", body=b'{"a":' * 500_000), (400,)
    ),
    "a key a hundred thousand times": (
        request("/retrain", JSON, method="POST",
                body=b"{" + b'"min_new_samples": 1,' * 100_000 + b'"min_new_samples": -1}'),
        (422,),
    ),
    "a number beyond measure": (
        request("/retrain", JSON, method="POST", body=b'{"reason": %s}' % (b"9" * 100_000)),
        (400,),
    ),
    "infinity": (
        request("/retrain", JSON, method="POST", body=b'{"min_new_samples": -Infinity}'), (422,)
    ),
    "UTF-16": (
        request("/retrain", JSON, method="POST", body='{"min_new_samples": -1}'.encode("utf-16")),
        (422,),
    ),
    "a byte order mark": (
        request("/retrain", JSON, method="POST", body=b'\xef\xbb\xbf{"min_new_samples": -1}'),
        (400, 422),
    ),
    "half a pair": (
        request("/retrain", JSON, method="POST", body=b'{"reason": "\\udcff"}'), (422,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RAW)
def test_what_is_hardly_http_is_answered(server: Server, name: str) -> None:
    sent, statuses = RAW[name]
    answer = server.send(sent)
    if name != "HEAD":
        answer.check()
    assert answer.status in statuses, answer


def test_clients_that_never_finish_hold_nobody_up(server: Server) -> None:
    good = request("/predict", AUDIO, method="POST", body=SHORT)
    beginnings = [good[:1], good[:20], good[:-1000], good[:-1], b"", request("/health")[:-2]]
    waiting = [server.connect() for _ in range(60)]
    for number, connection in enumerate(waiting):
        connection.sendall(beginnings[number % len(beginnings)])
    server.hears()
    # Half of them hang up in one direction, half in both.
    for connection in waiting[::2]:
        connection.shutdown(socket.SHUT_WR)
    for connection in waiting:
        connection.close()
    server.hears()


def test_a_client_that_does_not_listen_holds_nobody_up(server: Server) -> None:
    deaf = server.connect()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.setblocking(False)
    with suppress(BlockingIOError):
        for _ in range(1000):
            deaf.send(request("/openapi.json").replace(b"Connection: close\r\n", b""))
    server.hears()
    deaf.close()


def mutant(chance: random.Random, good: bytes) -> bytes:
    """One to four changes: bits, odd bytes, cuts, doublings, numbers and tokens of others."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        # As often before the body, where HTTP is.
        end = len(data) if chance.random() < 0.6 else max(data.find(b"\r\n\r\n"), 1)
        at = chance.randrange(end)
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at:at] = chance.choice(ODD)
        elif kind == 2:
            del data[at : at + chance.randint(1, 20)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randint(1, 60)]
        else:
            data[at : at + 2] = chance.choice(ODD)
        data = data or bytearray(b"G")
    return bytes(data)


def test_a_mutated_request_is_answered_or_hung_up_on(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = [
        form(FILE),
        request("/predict?top_k=2&explain=false", AUDIO, method="POST", body=SHORT),
        request("/predict", AUDIO, "Transfer-Encoding: chunked", method="POST")
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(SHORT), SHORT),
        request("/retrain", JSON, method="POST", body=b'{"reason": "x", "min_new_samples": 9}'),
        request("/models/20261121-101500-3f1c22ab", "Accept: */*", "Range: bytes=0-9"),
        request("/samples", method="HEAD"),
    ]
    chance = random.Random(0)
    mutants = [mutant(chance, chance.choice(seeds)) for _ in range(MUTANTS)]
    server.hears()
    before = server.resident_mb()
    outcomes: Counter[int] = Counter()
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda sent: server.send(sent, MUTANT_PATIENCE_S), mutants):
            outcomes[answer.status] += 1
            assert answer.status < 500, answer
            if answer.status >= 400 and answer.body not in (NOT_HTTP, b""):
                answer.check()
    server.hears()
    grown = server.resident_mb() - before
    told = ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(outcomes.items()))
    with capsys.disabled():
        print(f"\nhttp fuzz: {MUTANTS} requests, failures 0: {told}; memory {grown:+.0f} MB")
    assert {200, 400} <= set(outcomes)
    assert grown < GROWTH_MB
