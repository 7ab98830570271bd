"""WAV, W64, FLAC, Ogg (Vorbis, Opus) and MP3, read by libsndfile."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from earshot.audio import containers
from earshot.audio.containers import Track
from earshot.errors import UndecodableRecording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.recording import Samples

_BLOCK = 1 << 18
# What libsndfile says of a FLAC's length that its header does not tell.
_UNTOLD = (1 << 63) - 1


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read on and on.

    soundfile seeks after every read to where it is already. That costs time in compressed files,
    breaks MP3's sound there, and fails where a file was cut short.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[Track]:
    """Open a file of the kinds above.

    Raises UndecodableRecording, also from within, while the blocks are read.
    """
    try:
        with _Sound(io.BytesIO(data)) as file:
            # An MP3 without a Xing header has only an estimate of its length.
            promised = 0 if kind == "mp3" or file.frames == _UNTOLD else file.frames
            yield Track(file.samplerate, file.channels, promised, _blocks(file))
    except soundfile.LibsndfileError as error:
        raise _damaged(kind, error) from error


def _blocks(file: soundfile.SoundFile) -> Iterator[Samples]:
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block


class Reader:
    """A file of the kinds above, of any length, read from any frame on; ``file`` is its own.

    ``frames`` is the length that the header tells, or may be: of a FLAC that does not tell, the
    most that it could be, and ``is_told`` is False.

    Its methods raise UndecodableRecording, and what ``file`` raises; then ``reopen`` it.
    """

    def __init__(self, file: BinaryIO, kind: str) -> None:
        amendment = containers.amendment(file, kind)
        self._kind = kind
        self._source = _Source(file, amendment)
        with self._watched():
            self._sound = _Sound(self._source)
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.frames: int = self._sound.frames
        self.coding: str = self._sound.subtype
        self.is_told = amendment is None
        # What soundfile says of it, before _Sound denied it.
        self.can_seek: bool = soundfile.SoundFile.seekable(self._sound)

    @property
    def unread(self) -> int:
        """How many bytes lie behind what was read last."""
        return self._source.unread

    def reopen(self) -> None:
        """Start again at frame 0, with a decoder that knows of nothing before."""
        self._sound.close()
        with self._watched():
            self._source.seek(0)
            self._sound = _Sound(self._source)

    def close(self) -> None:
        """Let go of the file, which stays open."""
        self._sound.close()

    def seek(self, frame: int) -> None:
        """Go to a frame."""
        with self._watched():
            self._sound.seek(frame)

    def read(self, frames: int) -> Samples:
        """The next frames, fewer at the end: mono float32 ``[n]``, the mean of the channels."""
        samples = np.empty(frames, dtype=np.float32)
        length = 0
        # Floats near the largest there are have no sum.
        with self._watched(), np.errstate(over="ignore", invalid="ignore"):
            if self.channels == 1:
                return np.asarray(self._sound.read(out=samples))
            while length < frames:
                wanted = min(_BLOCK // self.channels, frames - length)
                block = self._sound.read(wanted, dtype="float32", always_2d=True)
                if not len(block):
                    break
                block.mean(axis=1, out=samples[length : length + len(block)])
                length += len(block)
        return samples[:length]

    def reaches(self, frame: int) -> bool:
        """Whether there is such a frame; raises only what the file raises."""
        try:
            self.seek(frame)
            return len(self.read(1)) == 1
        except UndecodableRecording:
            # A FLAC decoder does not get over what it cannot find.
            self.reopen()
            return False

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell libsndfile's errors, and before them the file's own."""
        try:
            yield
        except soundfile.LibsndfileError as error:
            self._source.check()
            raise _damaged(self._kind, error) from error
        self._source.check()


class _Source:
    """A file as libsndfile calls it, with a few bytes amended.

    What the file raises would be lost in C, and what was not read taken for its end: it is kept.
    """

    def __init__(self, file: BinaryIO, amendment: tuple[int, bytes] | None) -> None:
        self._file = file
        self._at, self._bytes = amendment or (0, b"")
        self._error: BaseException | None = None
        self._size = file.seek(0, io.SEEK_END)
        self._place = file.seek(0)

    @property
    def unread(self) -> int:
        return self._size - self._place

    def check(self) -> None:
        """Raise what was raised."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def readinto(self, buffer: memoryview) -> int:
        try:
            data = self._file.read(len(buffer))
        except BaseException as error:
            self._error = error
            return 0
        start, self._place = self._place, self._place + len(data)
        buffer[: len(data)] = data
        first, last = max(start, self._at), min(self._place, self._at + len(self._bytes))
        if first < last:
            buffer[first - start : last - start] = self._bytes[first - self._at : last - self._at]
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            self._place = self._file.seek(offset, whence)
        except BaseException as error:
            self._error = error
        return self._place

    def tell(self) -> int:
        return self._place


def _damaged(kind: str, error: soundfile.LibsndfileError) -> UndecodableRecording:
    return UndecodableRecording(
        f"The {kind} file is damaged: {error.error_string.strip().rstrip('.')}. "
        "Check that it plays, or export it again."
    )
