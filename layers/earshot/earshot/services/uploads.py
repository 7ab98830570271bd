"""Files from outside: where they go in the recordings bucket, and how they get there.

A key holds the first digits of the file's own SHA-256, so the same file has the same key again, an
upload that was cut off is found again, and other content is never written over. What arrives is
counted by its event, as anything else that is put into the bucket.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from earshot.archive import MARK_DIGITS, MAX_ARCHIVE_BYTES
from earshot.audio import MAX_FRAMES, SUFFIXES, audio_format, decode
from earshot.errors import (
    ArchiveTooLarge,
    BadKey,
    BadRecording,
    BadSample,
    LabelConflict,
    PartsMissing,
    RecordingTooLarge,
    RecordingTooLong,
    SamplesRefused,
    UploadConflict,
    UploadNotFound,
)
from earshot.names import group_name, label_in, plain_name, safe_name, suffix_of
from earshot.serving import heard_at_once
from earshot.store import IMPORTS, MAX_SAMPLE_BYTES, RECORDINGS, SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.application import Application
    from earshot.catalog import Catalog
    from earshot.runs import Standing
    from earshot.store import Store

Kind = Literal["sample", "recording", "archive"]

# What is larger goes in parts: a form starts anew when it is cut off.
MAX_FORM_BYTES = 100_000_000
# S3 takes 10,000 parts of 5 MiB and more; a list of 1,000 addresses still fits into one answer.
MAX_PARTS = 1_000
MIN_PART_BYTES = 16 << 20
# S3 takes 5 GiB in a part. A day of 384 kHz, 16-bit, mono is 66 GB.
MAX_RECORDING_BYTES = MAX_PARTS * (5 << 30)
EXPIRES_S = 3_600
# S3's own limit.
MAX_KEY_BYTES = 1_024

# Small files may claim hours: as much as the largest recording twice is decoded for one request.
MAX_FRAMES_AT_ONCE = 2 * MAX_FRAMES


@dataclass(frozen=True)
class Wish:
    """A file that somebody wants to upload: ``size`` in bytes, ``sha256`` of them in hex.

    ``label`` belongs to a sample, and so does ``recording``, from which it was cut; ``site``
    belongs to a recording.
    """

    kind: Kind
    name: str
    size: int
    sha256: str | None = None
    label: str = ""
    recording: str | None = None
    site: str = ""


@dataclass(frozen=True)
class Part:
    """Bytes ``start`` to ``start + size`` of a file; ``url`` takes them unless they are stored."""

    number: int
    start: int
    size: int
    stored: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Upload:
    """How a file gets to ``key``: it is there already, or goes as one form or in parts."""

    key: str
    state: Literal["wanted", "stored"]
    method: Literal["form", "parts"] | None = None
    url: str | None = None
    fields: dict[str, str] | None = None
    upload_id: str | None = None
    part_size: int | None = None
    parts: tuple[Part, ...] = ()
    expires_at: str | None = None


@dataclass(frozen=True)
class Received:
    """What became of one file of several; ``sha256`` is the identity of its sound."""

    name: str
    state: Literal["stored", "duplicate", "refused"]
    label: str | None = None
    key: str | None = None
    sha256: str | None = None
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Uploads:
    """Takes files in, or says where to send them."""

    application: Application
    store: Store
    catalog: Catalog

    # --- sent to the bucket -----------------------------------------------------------------

    def ask(self, wish: Wish) -> Upload:
        """How to upload a file; asked again, with its ``sha256``, how to go on.

        Raises BadKey or UnknownLabel for names that cannot be, RecordingTooLarge or
        ArchiveTooLarge, and UploadConflict when other content is there.
        """
        _check_size(wish.kind, wish.size)
        key, kind = self._key(wish), _media_type(wish)
        there = self.store.size(key) if wish.sha256 else None
        if there == wish.size:
            return Upload(key, "stored")
        if there is not None:
            raise UploadConflict(
                f"{key} is there with {there} bytes, not {wish.size}: other content, or a file "
                "that was not whole. Upload it under another name."
            )
        until = datetime.now(UTC) + timedelta(seconds=EXPIRES_S)
        expires_at = until.isoformat(timespec="seconds").replace("+00:00", "Z")
        if wish.size <= MAX_FORM_BYTES:
            form = self.store.form(key, wish.size, kind, wish.sha256, EXPIRES_S)
            return Upload(key, "wanted", "form", form.url, form.fields, expires_at=expires_at)
        upload_id = self.store.unfinished(key) if wish.sha256 else None
        upload_id = upload_id or self.store.begin(key, kind)
        return Upload(
            key,
            "wanted",
            "parts",
            upload_id=upload_id,
            part_size=_part_size(wish.size),
            parts=self._parts(key, upload_id, wish.size),
            expires_at=expires_at,
        )

    def complete(self, key: str, upload_id: str, size: int) -> None:
        """Make one object of the parts; nothing happens when that was done before.

        Raises PartsMissing, UploadNotFound, BadKey, RecordingTooLarge or ArchiveTooLarge.
        """
        _check_size(_kind(key), size)
        try:
            there = self.store.parts(key, upload_id)
            wanted = _plan(size)
            missing = [
                part.number
                for part in wanted
                if part.number not in there or there[part.number].size != part.size
            ]
            if missing:
                raise PartsMissing(
                    f"{len(missing)} of {len(wanted)} parts are not there, or not of the size that "
                    f"was agreed, the first of them number {missing[0]}. Put them, then complete.",
                    missing,
                )
            self.store.complete(
                key, upload_id, {part.number: there[part.number] for part in wanted}
            )
        except UploadNotFound:
            if self.store.size(key) != size:
                raise

    def abandon(self, key: str, upload_id: str) -> None:
        """Forget an unfinished upload; raises UploadNotFound or BadKey."""
        _kind(key)
        self.store.abandon(key, upload_id)

    def _key(self, wish: Wish) -> str:
        mark = wish.sha256[:MARK_DIGITS] if wish.sha256 else secrets.token_hex(MARK_DIGITS // 2)
        name = safe_name(wish.name)
        match wish.kind:
            case "sample":
                group = group_name(wish.recording) if wish.recording else None
                return f"{_folder(self._label(wish.label), group)}{mark}-{name}"
            case "recording":
                return f"{RECORDINGS}{plain_name(wish.site, 'a site')}/{mark}/{name}"
            case "archive":
                return f"{IMPORTS}{mark}/{name}"

    def _parts(self, key: str, upload_id: str, size: int) -> tuple[Part, ...]:
        there = self.store.parts(key, upload_id)
        return tuple(
            Part(part.number, part.start, part.size, stored=True)
            if part.number in there and there[part.number].size == part.size
            else Part(
                part.number,
                part.start,
                part.size,
                url=self.store.part_url(key, upload_id, part.number, part.size, EXPIRES_S),
            )
            for part in _plan(size)
        )

    # --- sent to the API --------------------------------------------------------------------

    def take_in(
        self,
        files: Sequence[tuple[str, bytes]],
        label: str | None = None,
        recording: str | None = None,
    ) -> list[Received]:
        """Store labelled clips, given as name and bytes, that are whole and not known yet.

        Without a ``label`` their names begin with it. ``recording`` is what all were cut from. One
        that cannot be used costs the others nothing. Raises BadKey or UnknownLabel for a label or
        a recording that cannot be, and SamplesRefused when no file can be used.
        """
        label = self._label(label) if label is not None else None
        group = group_name(recording) if recording else None
        known = () if label else self.known_labels(self.catalog.standing())
        taken: dict[str, Received] = {}
        received, objects, frames = [], [], 0
        for name, data in files:
            try:
                own = label or label_in(name, known)
                with heard_at_once:
                    if frames > MAX_FRAMES_AT_ONCE:
                        raise RecordingTooLong(
                            "The clips before it last as long as is heard in one request. Send it "
                            "in another."
                        )
                    waveform = decode(data)
                    frames += len(waveform.samples)
                    sha256 = waveform.sha256
                    del waveform
                one = self._place(name, data, own, group, sha256, taken)
            except (BadRecording, BadSample) as error:
                one = Received(name, "refused", label, code=error.code, reason=str(error))
            if one.state == "stored" and one.key and one.sha256:
                taken[one.sha256] = one
                objects.append((one.key, len(data), io.BytesIO(data)))
            received.append(one)
        if received and all(one.state == "refused" for one in received):
            raise SamplesRefused(
                f"None of the files can be used. {received[0].reason}",
                [asdict(one) for one in received],
            )
        self.store.write(objects)
        return received

    def _place(
        self,
        name: str,
        data: bytes,
        label: str,
        group: str | None,
        sha256: str,
        taken: dict[str, Received],
    ) -> Received:
        """Where a clip goes, or where the same sound is already; raises LabelConflict."""
        there = taken.get(sha256) or self.catalog.sample(sha256)
        if there is None:
            mark = hashlib.sha256(data).hexdigest()[:MARK_DIGITS]
            file = safe_name(name)
            if not suffix_of(file):
                file = f"{file}.{audio_format(data)}"
            key = f"{_folder(label, group)}{mark}-{file}"
            return Received(name, "stored", label, key, sha256)
        if there.label != label:
            raise LabelConflict(
                f"{name} is the same sound as {there.key}, which is {there.label!r}. It is learnt "
                "as that; this one changes nothing."
            )
        return Received(name, "duplicate", label, there.key, sha256)

    # --- names ------------------------------------------------------------------------------

    def _label(self, given: str) -> str:
        label = plain_name(given, "a label")
        self.application.check_label(label)
        return label

    def known_labels(self, standing: Standing) -> list[str]:
        """The application's labels; an open one knows those that it was taught, too."""
        taught = standing.labels if self.application.open_labels else ()
        return [*dict.fromkeys((*self.application.labels, *taught))]


def _folder(label: str, group: str | None) -> str:
    return f"{SAMPLES}{label}/{group}/" if group else f"{SAMPLES}{label}/"


def _media_type(wish: Wish) -> str:
    if wish.kind == "archive":
        return "application/zip"
    suffix = suffix_of(safe_name(wish.name)).lower()
    return f"audio/{suffix[1:]}" if suffix in SUFFIXES else "application/octet-stream"


def _kind(key: str) -> Kind:
    """What an object is by its key; raises BadKey."""
    prefixes: dict[str, Kind] = {SAMPLES: "sample", RECORDINGS: "recording", IMPORTS: "archive"}
    for prefix, kind in prefixes.items():
        if key.startswith(prefix) and len(key.encode()) <= MAX_KEY_BYTES:
            return kind
    raise BadKey(f"{key[:100]!r} is no key of an upload: send the one that POST /uploads answered.")


def _check_size(kind: Kind, size: int) -> None:
    limits = {
        "sample": (MAX_SAMPLE_BYTES, "a labelled clip", "Cut it, or upload it as a recording."),
        "recording": (MAX_RECORDING_BYTES, "a recording", "Cut it, or compress it as FLAC."),
        "archive": (MAX_ARCHIVE_BYTES, "an archive", "Split it."),
    }
    limit, what, advice = limits[kind]
    if size > limit:
        too_large = ArchiveTooLarge if kind == "archive" else RecordingTooLarge
        raise too_large(f"It has {size} bytes; {what} may have {limit}. {advice}")


def _part_size(size: int) -> int:
    """Whole MiB, so that MAX_PARTS are enough."""
    mib = 1 << 20
    return max(MIN_PART_BYTES, -(-size // MAX_PARTS // mib) * mib)


def _plan(size: int) -> list[Part]:
    """The parts of a file, all of one size but the last."""
    step = _part_size(size)
    starts = range(0, size, step)
    return [Part(n, start, min(step, size - start)) for n, start in enumerate(starts, 1)]
