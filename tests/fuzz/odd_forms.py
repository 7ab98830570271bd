"""Multipart forms as nobody should write them, and the status that each is answered with."""

from __future__ import annotations

import numpy as np
from conftest import encode
from raw_http import request

SHORT = encode(np.zeros(2000), 8000)


def form(
    *parts: bytes, kind: bytes = b"multipart/form-data; boundary=x", end: bytes = b"--x--\r\n"
) -> bytes:
    """POST /predict with a form of these parts, each with its headers."""
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end
    return request("/predict", b"Content-Type: " + kind, method="POST", body=body)


def part(disposition: bytes, content: bytes = SHORT, *headers: bytes) -> bytes:
    """A part of a form."""
    lines = (b"Content-Disposition: form-data; " + disposition, *headers)
    return b"\r\n".join((*lines, b"", content))


FILE = part(b'name="file"; filename="a.wav"')
FORMS: dict[str, tuple[bytes, int]] = {
    "good": (form(FILE), 200),
    "no boundary": (form(FILE, kind=b"multipart/form-data"), 400),
    "empty boundary": (form(FILE, kind=b"multipart/form-data; boundary="), 400),
    "another boundary": (form(FILE, kind=b"multipart/form-data; boundary=y"), 400),
    "long boundary": (form(FILE, kind=b"multipart/form-data; boundary=" + b"x" * 5000), 400),
    "boundary that is no token": (
        form(FILE, kind=b'multipart/form-data; boundary="\x01\xff"'),
        400,
    ),
    "unknown charset": (form(FILE, kind=b"multipart/form-data; boundary=x; charset=none"), 200),
    "charset that is no text": (
        form(FILE, kind=b"multipart/form-data; boundary=x; charset=zip"),
        200,
    ),
    "no parts": (form(), 422),
    "no end": (form(FILE, end=b""), 400),
    "half an end": (form(FILE, end=b"--x-"), 400),
    "preamble and epilogue": (
        form(FILE, end=b"--x--\r\n" + b"e" * 10_000).replace(
            b"\r\n\r\n--x", b"\r\n\r\npre\r\n--x", 1
        ),
        400,
    ),
    "bare line feeds": (form(FILE.replace(b"\r\n", b"\n", 2)), 400),
    "nested": (
        form(
            part(
                b'name="file"',
                b"--y\r\n" + FILE + b"\r\n--y--",
                b"Content-Type: multipart/mixed; boundary=y",
            )
        ),
        422,
    ),
    "no name": (form(part(b'filename="a.wav"')), 400),
    "empty name": (form(part(b'name=""; filename="a.wav"')), 422),
    "another name": (form(part(b'name="sound"; filename="a.wav"')), 422),
    "no disposition": (form(b"Content-Type: audio/wav\r\n\r\n" + SHORT), 400),
    "two files": (form(FILE, FILE), 400),
    "empty file": (form(part(b'name="file"; filename="a.wav"', b"")), 422),
    "a text in the place of the file": (form(part(b'name="file"', b"hello")), 422),
    "path as file name": (form(part(b'name="file"; filename="../../../etc/passwd"')), 200),
    "NUL in a file name": (form(part(b'name="file"; filename="a\x00.wav"')), 200),
    "file name in Chinese": (form(part('name="file"; filename="录音.wav"'.encode())), 200),
    "file name in no encoding": (form(part(b'name="file"; filename="\xff\xfe\x80"')), 200),
    "file name of RFC 5987": (form(part(b"name=file; filename*=utf-8''%00%ff..%2f")), 422),
    "long file name": (form(part(b'name="file"; filename="' + b"n" * 4000 + b'"')), 200),
    "line end in a file name": (form(part(b'name="file"; filename="a\r\nX-Evil: 1"')), 200),
    "base64": (
        form(part(b'name="file"; filename="a"', SHORT, b"Content-Transfer-Encoding: base64")),
        200,
    ),
    "wrong type of a part": (
        form(part(b'name="file"; filename="a"', SHORT, b"Content-Type: \xff/\x00")),
        200,
    ),
    "header without end": (form(b"X: " + b"h" * 100_000), 400),
    "a thousand headers": (form(b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + FILE), 400),
    "ten thousand fields": (
        form(*(part(b'name="f%d"' % n, b"") for n in range(10_000)), FILE),
        400,
    ),
    "a field of two megabytes": (form(part(b'name="f"', b"y" * 2_000_000), FILE), 400),
    "many dashes": (form(FILE, end=b"-" * 100_000 + b"\r\n--x--\r\n"), 200),
}
