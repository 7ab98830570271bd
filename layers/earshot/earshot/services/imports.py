"""Archives of labelled clips: unpacked into ``samples/``, or refused whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from earshot.archive import Archive, RangedFile
from earshot.moments import now
from earshot.recording import Import, Outcome

if TYPE_CHECKING:
    from earshot.application import Application
    from earshot.arrivals import Arrivals
    from earshot.catalog import Catalog
    from earshot.store import Store

# How many of an archive's files that are no audio are named in its record.
NAMED = 20


@dataclass(frozen=True)
class Imports:
    """Unpacks archives."""

    application: Application
    store: Store
    catalog: Catalog
    arrivals: Arrivals

    def unpack(self, key: str) -> Outcome:
        """Put the clips of an archive below ``samples/``; raises BadArchive or UnknownLabel.

        Their own events bring them back, to be judged and counted like any others. What this writes
        cannot come back here: samples never write objects. A repeated event, or one after a crash,
        puts the same bytes at the same keys.
        """
        stored = self.store.find(key)
        known = self.arrivals.import_of(key)
        if known and known.version == stored.version and known.state == "unpacked":
            return Outcome(key, "unpacked", f"{known.clips} clips, already")
        archive = Archive(RangedFile(partial(self.store.read_range, stored), stored.size))
        is_open = self.application.open_labels
        # An open application knows the labels that it was taught, too.
        taught = self.catalog.standing().labels if is_open else ()
        contents = archive.verify((*self.application.labels, *taught), is_open)
        record = Import(
            key=key,
            version=stored.version,
            state="unpacking",
            clips=len(contents.clips),
            size=sum(clip.size for clip in contents.clips),
            ignored=contents.ignored[:NAMED],
            ignored_total=len(contents.ignored),
            at=now(),
        )
        self.arrivals.note_import(record)
        self.store.write((clip.key, clip.size, archive.open(clip)) for clip in contents.clips)
        self.arrivals.note_import(replace(record, state="unpacked", at=now()))
        return Outcome(key, "unpacked", f"{record.clips} clips")
