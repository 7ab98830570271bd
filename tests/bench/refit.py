"""One fit of so many embeddings, 4 labels, as retrain does it: prints its figures as JSON."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from earshot.bundle import Bundle

from infra.local.endpoint import REPOSITORY
from retrain import heads
from retrain.dataset import Clip, Dataset
from retrain.noise import DRAWS
from tests.load.long import peak_kb

LABELS = ("a", "b", "c", "d")


def main(many: int) -> None:
    dim = Bundle.load(REPOSITORY / "infra" / "bundles" / "surveillance").card.embedding_dim
    random = np.random.default_rng(0)
    centres = 0.3 * random.standard_normal((len(LABELS), dim))
    clips = tuple(
        Clip(
            sha256=str(number),
            label=LABELS[number % len(LABELS)],
            group=str(number),
            embedding=(centres[number % len(LABELS)] + random.standard_normal(dim)).astype(
                np.float32
            )[np.newaxis],
        )
        for number in range(many)
    )
    noise = random.standard_normal((DRAWS, dim)).astype(np.float32)
    before_kb = peak_kb()
    began, used = time.perf_counter(), time.process_time()
    head = heads.fit(Dataset(LABELS, clips, (), noise=noise), (), lambda *_: None, (dim,))
    figures = {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
        "classifier": str(head.classifier),
        "dim": dim,
        "peak_mb": peak_kb() // 1024,
        "peak_mb_before": before_kb // 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
