"""What a recorder wrote down of a recording: when it starts, where, by which device, how it fared.

Three places are looked into, and each thing is taken from the first that has it:

1. GUANO metadata, the ``guan`` chunk of a WAV file (guano-md.org, specification 1.0), with
   fields of its own that some makers have for the site and the battery.
2. AudioMoth's sentence in the ``ICMT`` comment of a WAV file, in the forms of firmware 1.0 to
   1.12 (``setHeaderComment`` of AudioMoth-Firmware-Basic).
3. The file's name, for the start alone: ``SMM1_20260101_060000.wav``, ``20260101T060000+1000``,
   ``2026-01-01_06-00-00``, and AudioMoth's names before firmware 1.2, which are the seconds since
   1970 in hexadecimal: ``5EB0A1C2.WAV``.

A time without an offset from UTC is taken as UTC. FLAC, Ogg, MP3 and W64 have no place for the
first two: of them the name is read alone.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from earshot.audio import file_format
from earshot.audio.containers import chunks
from earshot.moments import moment
from earshot.recording import FieldNotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# Metadata has a few hundred bytes; what is longer is read so far, what holds more text cut.
_MOST_BYTES = 1 << 16
_MOST_LETTERS = 100
# A file has ten chunks or fewer.
_MOST_CHUNKS = 100
_YEARS = range(1970, 2100)
# 2016 to 2029: AudioMoth came in 2017, and some were never given newer firmware. A date in digits
# alone, 20260101, would be in 1987.
_HEXADECIMAL = range(0x5685C180, 0x70DBD880)

_RECORDED = re.compile(
    r"Recorded at (\d\d):(\d\d):(\d\d)(\.\d{1,6})? (\d\d)/(\d\d)/(\d{4})"
    r"(?: \(UTC(?:([+-])(\d{1,2}))?(?::([ \d]\d))?\))?"
)
_DEPLOYMENT = re.compile(r"during deployment ([0-9A-F]{16})\b")
_MOTH = re.compile(r"AudioMoth [0-9A-Fa-f]{16}\b")
# At either end of the scale that end is told: "less than 2.5V", "> 5.0V".
_BATTERY = re.compile(r"battery (?:state )?was (?:less than |greater than |[<>] )?(\d{1,2}\.\d+)V")
_TEMPERATURE = re.compile(r"temperature was (-?\d{1,3}\.\d+)C")

# Around GUANO's keys and values.
_BLANK = "\0 \t\r"
_SITE_FIELDS = ("NABat|Site Name", "WA|Song Meter|Prefix")
_TEMPERATURE_FIELDS = ("Temperature Ext", "Temperature Int")
_BATTERY_FIELD = "OAD|Battery Voltage"

_NAMED = re.compile(
    r"(?<!\d)(\d{4})([-_.]?)(\d\d)\2(\d\d)[T_ -](\d\d)([-_.:]?)(\d\d)\6(\d\d)(\.\d{1,6})?(?!\d)"
    # Only offsets that there are: a number after the time may well be another thing.
    r"(?:Z|([+-])(0\d|1[0-4]):?(00|15|30|45)(?!\d))?"
)
_HEXADECIMAL_NAME = re.compile(r"([0-9A-F]{8})\.(?:WAV|wav)")


def read_notes(file: BinaryIO, name: str) -> FieldNotes:
    """The notes of a seekable file called ``name``, which may be a path or a key.

    What makes no sense is left out, and nothing is raised for it: only the file's own errors go
    through. A few KB are read, wherever they lie; the file stands at its start afterwards.
    """
    guano = audiomoth = FieldNotes()
    for chunk, content in _metadata(file):
        if chunk == b"guan":
            guano = _guano(content.decode(errors="replace"))
        elif chunk == b"LIST" and content.startswith(b"INFO"):
            audiomoth = _audiomoth(content.decode("latin-1"))
    file.seek(0)
    found: dict[str, Any] = {}
    # What comes first is kept.
    for notes in (_name(PurePosixPath(name).name), audiomoth, guano):
        found.update((what, value) for what, value in asdict(notes).items() if value is not None)
    return FieldNotes(**found)


def _metadata(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a WAV file that hold metadata: name and content. The sound is not read."""
    if file_format(file) != "wav":
        return
    for chunk in islice(chunks(file, "wav"), _MOST_CHUNKS):
        if chunk.name in (b"guan", b"LIST"):
            file.seek(chunk.body)
            yield chunk.name, file.read(min(chunk.size, _MOST_BYTES))


def _guano(text: str) -> FieldNotes:
    """What GUANO metadata says; a site and a battery only in fields of their makers."""
    lines = (line.partition(":") for line in text.split("\n"))
    fields = {key.strip(_BLANK): value.strip(_BLANK) for key, colon, value in lines if colon}
    started_at = _timestamp(fields.get("Timestamp", ""))
    named = (fields.get("Model") or fields.get("Make"), fields.get("Serial"))
    latitude, longitude = _position(fields.get("Loc Position", ""))
    return FieldNotes(
        started_at=started_at,
        started_by="guano" if started_at else None,
        device=_words(" ".join(filter(None, named))),
        site=next(filter(None, (_words(fields.get(name, "")) for name in _SITE_FIELDS)), None),
        latitude=latitude,
        longitude=longitude,
        temperature_c=_temperature(fields),
        battery_v=_number(fields.get(_BATTERY_FIELD), 0, 100),
    )


def _temperature(fields: dict[str, str]) -> float | None:
    """Of the air, or else inside the recorder."""
    outside, inside = (_number(fields.get(name), -100, 100) for name in _TEMPERATURE_FIELDS)
    return inside if outside is None else outside


def _audiomoth(text: str) -> FieldNotes:
    """What AudioMoth's comment says; all of a ``LIST`` chunk may be given."""
    recorded = _RECORDED.search(text)
    if recorded is None:
        return FieldNotes()
    hour, minute, second, fraction, day, month, year, *offset = recorded.groups()
    started_at = _moment((year, month, day, hour, minute, second), fraction, *offset)
    # Where the comment names a deployment in its place, the artist is still the device.
    device, deployment = _MOTH.search(text), _DEPLOYMENT.search(text)
    battery, temperature = _BATTERY.search(text), _TEMPERATURE.search(text)
    return FieldNotes(
        started_at=started_at,
        started_by="audiomoth" if started_at else None,
        device=device.group() if device else None,
        site=deployment[1] if deployment else None,
        temperature_c=_number(temperature[1], -100, 100) if temperature else None,
        battery_v=_number(battery[1], 0, 100) if battery else None,
    )


def _name(name: str) -> FieldNotes:
    """The first time in a file's name that there is."""
    started_at = None
    if seconds := _HEXADECIMAL_NAME.fullmatch(name):
        since = int(seconds[1], 16)
        started_at = moment(since) if since in _HEXADECIMAL else None
    for found in _NAMED.finditer(name):
        year, _, month, day, hour, _, minute, second, fraction, *offset = found.groups()
        started_at = started_at or _moment(
            (year, month, day, hour, minute, second), fraction, *offset
        )
    return FieldNotes(started_at=started_at, started_by="name" if started_at else None)


def _moment(
    parts: tuple[str, ...],
    fraction: str | None,
    sign: str | None,
    hours: str | None,
    minutes: str | None,
) -> str | None:
    """A time by year, month, day, hour, minute, second and its offset; None where there is none."""
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        then = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type, misc]
        then += timedelta(seconds=float(fraction or 0))
        return _told(then + offset if sign == "-" else then - offset)
    except (ValueError, OverflowError):
        return None


def _timestamp(text: str) -> str | None:
    """GUANO's time in one of its forms, or with a space for the T, as some recorders write it."""
    try:
        then = datetime.fromisoformat(text)
        # A date is no time.
        return _told(then if then.tzinfo else then.replace(tzinfo=UTC)) if ":" in text else None
    except (ValueError, OverflowError):
        return None


def _told(then: datetime) -> str | None:
    return moment(then.timestamp()) if then.year in _YEARS else None


def _position(text: str) -> tuple[float | None, float | None]:
    """Degrees of latitude and longitude; a position is both or none."""
    parts = text.replace(",", " ").split()
    if len(parts) != 2:
        return None, None
    latitude, longitude = _number(parts[0], -90, 90), _number(parts[1], -180, 180)
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def _number(text: str | None, least: float, most: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    # NaN lies nowhere.
    return value if least <= value <= most else None


def _words(text: str) -> str | None:
    """One line of printable letters, not too many; None for none."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_MOST_LETTERS] or None
