"""Whatever a client calls a file: where it goes, under which name, and in which parts."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Any

import pytest
from earshot.application import Application
from earshot.errors import BadKey, LabelMissing
from earshot.names import FILE_NAME_BYTES, label_in, safe_name
from earshot.services import uploads
from earshot.store import Form, SampleKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

MIB = 1 << 20


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("20261121_100000.wav", "20261121_100000.wav"),
        ("../../champion.json", "champion.json"),
        ("C:\\Users\\me\\Höhle 1.WAV", "Höhle 1.WAV"),
        ("/etc/passwd", "passwd"),
        (".hidden.wav", "hidden.wav"),
        ("..", "unnamed"),
        ("a/", "unnamed"),
        ("", "unnamed"),
        ("a\x00b\nc.wav", "a_b_c.wav"),
        ("${filename}", "__filename_"),
        ("AudioMoth (2).wav", "AudioMoth (2).wav"),
        ("サイレン#1.flac", "サイレン_1.flac"),
        ("e\u0301.wav", "é.wav"),
    ],
)
def test_a_file_keeps_its_name_but_not_what_could_do_harm(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == unicodedata.normalize("NFC", kept)


@given(st.text())
def test_a_kept_name_is_one_safe_step_and_stays_what_it_is(text: str) -> None:
    kept = safe_name(text)
    assert 0 < len(kept.encode()) <= FILE_NAME_BYTES
    assert not set(kept) & set('/\\${}<>"\x00\n')
    assert kept[0] != "."
    assert unicodedata.is_normalized("NFC", kept)
    assert safe_name(kept) == kept


def test_a_long_name_keeps_its_suffix() -> None:
    kept = safe_name("ö" * 300 + ".flac")
    assert kept.endswith("ö.flac")
    assert len(kept.encode()) in (FILE_NAME_BYTES - 1, FILE_NAME_BYTES)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("siren_1.wav", "siren"),
        ("siren.wav", "siren"),
        ("siren7.wav", "siren"),
        ("car horn 2.flac", "car horn"),
        ("car-2.flac", "car"),
        ("folder/siren_1.wav", "siren"),
        ("Kl\u0061\u0308ffen_1.wav", "Kläffen"),
        ("class1-2.wav", "class1"),
    ],
)
def test_a_name_begins_with_its_label(name: str, label: str) -> None:
    assert label_in(name, ("car", "car horn", "siren", "Kläffen", "class1")) == label


@pytest.mark.parametrize("name", ["sirens_1.wav", "x_siren.wav", "class12.wav", "Siren_1.wav", ""])
def test_a_name_that_only_looks_like_it_tells_no_label(name: str) -> None:
    with pytest.raises(LabelMissing, match="one of: siren, class1"):
        label_in(name, ("siren", "class1"))


class Anywhere:
    """A store that has nothing and signs nothing, for a thousand questions a second."""

    def size(self, _: str) -> None:
        return None

    def form(self, key: str, *_: Any) -> Form:
        return Form(key, {})

    def unfinished(self, _: str) -> None:
        return None

    def begin(self, *_: Any) -> str:
        return "upload"

    def parts(self, *_: Any) -> dict[int, Any]:
        return {}

    def part_url(self, *_: Any) -> str:
        return "url"


def anything_goes() -> uploads.Uploads:
    """Uploads of an application with open labels, over no bucket."""
    application = Application("open", (), 16_000, 1.0, 0.5, "melstats", open_labels=True)
    store: Any = Anywhere()
    catalog: Any = None
    return uploads.Uploads(application, store, catalog)


words = st.text(max_size=80)


@given(label=words, recording=st.none() | words, name=words)
def test_whatever_is_taken_parses_back(label: str, recording: str | None, name: str) -> None:
    """What a client calls things never leads out of samples/, nor to another label."""
    asked = uploads.Wish("sample", name, 1, label=label, recording=recording)
    try:
        key = anything_goes().ask(asked).key
    except BadKey:
        return
    assert len(key.encode()) <= 1024
    place = SampleKey.parse(key)
    assert place.label == unicodedata.normalize("NFC", label)
    assert place.group == (unicodedata.normalize("NFC", recording) if recording else None)
    assert not {"..", ".", ""} & set(key.split("/"))


@given(site=words, name=words)
@example(site="0/", name="")
def test_a_site_is_named_as_a_label_is(site: str, name: str) -> None:
    asked = uploads.Wish("recording", name, 1, site=site)
    try:
        key = anything_goes().ask(asked).key
    except BadKey:
        # A slash would make two names of it in a key.
        if "/" not in site:
            with pytest.raises(BadKey):
                SampleKey.parse(f"samples/{site}/x")
        return
    prefix, place, mark, last = key.split("/")
    assert (prefix, place, last) == (
        "recordings",
        unicodedata.normalize("NFC", site),
        safe_name(name),
    )
    assert len(mark) == 12


@settings(deadline=None)
@given(st.integers(100_000_001, uploads.MAX_RECORDING_BYTES))
def test_parts_cover_a_file_as_s3_takes_them(size: int) -> None:
    upload = anything_goes().ask(uploads.Wish("recording", "a.wav", size, site="ridge"))
    parts, step = upload.parts, upload.part_size or 0
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= 1000
    assert parts[0].start == 0
    assert all(one.start + one.size == two.start for one, two in pairwise(parts))
    assert parts[-1].start + parts[-1].size == size
    assert {part.size for part in parts[:-1]} == {step}
    assert 0 < parts[-1].size <= step
    assert 5 * MIB <= step <= 5 << 30
