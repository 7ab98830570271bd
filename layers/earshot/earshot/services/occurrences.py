"""Detections of all recordings, asked for by time, label, site and confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earshot.field.chronicle import Chronicle, Entry
    from earshot.field.logbook import Logbook
    from earshot.recording import Occurrence

# Entries that are looked at for one answer: whoever asks for what is rare goes on from there.
MOST_READ = 2_000


@dataclass(frozen=True)
class Wanted:
    """Detections from ``since`` on and before ``until``, times in the form of ``now``.

    By None of every label and every site; they peak at ``min_confidence`` or above.
    """

    since: str
    until: str
    label: str | None = None
    site: str | None = None
    min_confidence: float = 0.0

    def wants(self, one: Occurrence) -> bool:
        """Whether this is one of them; its time is not looked at."""
        return (
            self.label in (None, one.detection.label)
            and self.site in (None, one.site)
            and one.detection.peak_confidence >= self.min_confidence
        )


@dataclass(frozen=True)
class Occurrences:
    """The detections of recordings that are analysed, as they stand now."""

    logbook: Logbook
    chronicle: Chronicle

    def latest(
        self, wanted: Wanted, limit: int, before: str = ""
    ) -> tuple[list[Occurrence], str | None]:
        """Up to ``limit``, the latest first, and what to pass as ``before`` for the next.

        That is None when there are no more. There may be more and few or none here: MOST_READ
        are looked at.
        """
        found: list[Entry] = []
        stands: dict[str, str | None] = {}
        read = 0
        for page in self.chronicle.pages(wanted.since, before or wanted.until):
            asked = [entry for entry in page if wanted.wants(entry.occurrence)]
            self._look_up(asked, stands)
            found += [
                entry for entry in asked if stands[entry.occurrence.recording] == entry.results
            ]
            read += len(page)
            if len(found) > limit:
                break
            if read >= MOST_READ:
                return [entry.occurrence for entry in found], page[-1].place
        rest = found[limit - 1].place if len(found) > limit else None
        return [entry.occurrence for entry in found[:limit]], rest

    def _look_up(self, entries: list[Entry], stands: dict[str, str | None]) -> None:
        """Note which results the recordings of entries point to."""
        strange = sorted({entry.occurrence.recording for entry in entries} - stands.keys())
        records = self.logbook.many(strange)
        for recording in strange:
            stands[recording] = records[recording].results if recording in records else None
