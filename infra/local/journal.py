"""A mapping kept on disk as JSON lines: a person can read it, and a crash cannot spoil it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO


class Journal:
    """Every change is one appended line, written before the call returns.

    The last line of a key counts; ``null`` takes the key away. A line cut short by a crash is
    passed over, and opening the journal writes it anew without what has been replaced. It outlives
    the process, not a power cut: nothing waits for the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = {}
        self._file: TextIO | None = None
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    self._replay(line)
            compact = path.with_name(f"{path.name}.new")
            with compact.open("w", encoding="utf-8") as lines:
                lines.writelines(_line(key, value) for key, value in self.values.items())
            compact.replace(path)

    def set(self, key: str, value: object) -> None:
        """Note a value; None takes the key away."""
        if value is None:
            if key not in self.values:
                return
            del self.values[key]
        else:
            self.values[key] = value
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(_line(key, value))
        self._file.flush()

    def remove(self) -> None:
        """Forget everything."""
        if self._file:
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _replay(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if entry["value"] is None:
            self.values.pop(entry["key"], None)
        else:
            self.values[entry["key"]] = entry["value"]


def _line(key: str, value: object) -> str:
    return json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n"
