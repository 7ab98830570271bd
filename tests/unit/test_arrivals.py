from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.arrivals import Arrivals

if TYPE_CHECKING:
    from conftest import Aws


def test_recordings_are_noted_once(aws: Aws) -> None:
    arrivals = Arrivals(aws.dynamodb, "earshot")
    for _ in range(2):
        arrivals.note_recording("recordings/ridge/a.wav", "ridge", 10)
    assert arrivals.recording_count() == 1
