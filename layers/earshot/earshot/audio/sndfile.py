"""WAV, FLAC, Ogg (Vorbis, Opus, FLAC) and MP3, read by libsndfile."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import soundfile

from earshot.audio.containers import Track
from earshot.errors import UndecodableRecording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.recording import Samples

_BLOCK = 1 << 18


@contextmanager
def opened(data: bytes, kind: str) -> Iterator[Track]:
    """Open a file of the kinds above.

    Raises UndecodableRecording, also from within, while the blocks are read.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            # An MP3 without a Xing header has only an estimate of its length.
            promised = 0 if kind == "mp3" else file.frames
            yield Track(file.samplerate, file.channels, promised, _blocks(file))
    except soundfile.LibsndfileError as error:
        raise UndecodableRecording(
            f"The {kind} file is damaged: {error.error_string.strip().rstrip('.')}. "
            "Check that it plays, or export it again."
        ) from error


def _blocks(file: soundfile.SoundFile) -> Iterator[Samples]:
    """All samples; ``SoundFile.blocks`` wants to seek, which GSM and G.721 in WAV cannot."""
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block
