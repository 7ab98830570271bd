"""Decoding and the model, without HTTP: reads from its input how many clips, writes the seconds."""

from __future__ import annotations

import sys
import time

from earshot.audio import decode
from earshot.bundle import Bundle
from earshot.detector import Detector

from infra.local.endpoint import REPOSITORY
from tests.bench.clips import clips


def main() -> None:
    detector = Detector(Bundle.load(REPOSITORY / "infra" / "bundles" / "surveillance"))
    detector.warm()
    for line in sys.stdin:
        began = time.perf_counter()
        for number in range(int(line)):
            detector.classify(decode(clips()[number % len(clips())]))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
