"""Decoding and the model, without HTTP: reads how many clips, writes seconds, by clock and CPU."""

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
        began, used = time.perf_counter(), time.process_time()
        for number in range(int(line)):
            detector.classify(decode(clips()[number % len(clips())]))
        print(time.perf_counter() - began, time.process_time() - used, flush=True)


if __name__ == "__main__":
    main()
