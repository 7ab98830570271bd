"""What the default bundle makes of steady noise that it has not learnt from: ``make noise``.

Its head is fitted again, as it was, without noise to refuse, and with clips of a noise that
somebody has labelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from earshot.bundle import EMBEDDINGS_FILE, Bundle
from earshot.detector import Detector, accepted
from earshot.recording import Waveform

from retrain import heads
from retrain.dataset import Clip, Dataset, Seed, split
from retrain.noise import STEADY_DB, embed_noises, steady_noise

BUNDLE = Path(__file__).parents[2] / "infra" / "bundles" / "surveillance"
# In dB of full scale; the first is silence, from a 16-bit recorder's last digit on.
LEVELS_DB = ((-96.0, -55.0), STEADY_DB)
NOISES = 300
DURATION_S = 8.0
# Another one draws what is learnt from.
SEED = 77
# A recorder's own hiss: white, its level within 2 dB of each of these.
HISS_DB = (-40.0, -30.0)
LABELLED = 3
ASKED = 20


def main() -> None:
    """Print what noise is accepted as, by each head, and how many are uncertain."""
    bundle = Bundle.load(BUNDLE)
    detector, card = Detector(bundle), bundle.card
    seed = Seed.load(BUNDLE / EMBEDDINGS_FILE, card.embedding_id)
    noise = embed_noises(card.sample_rate, card.window_s, detector.embed)
    dataset = split(seed.clips, card.labels, background=seed.background, noise=noise)
    for name, what in (("without", replace(dataset, noise=None)), ("as it is", dataset)):
        head = _fitted(what)
        for low, high in LEVELS_DB:
            random = np.random.default_rng(SEED)
            sounds = [
                detector.hear(steady_noise(random, card.sample_rate, DURATION_S, (low, high)))
                for _ in range(NOISES)
            ]
            told = _told(head, card.labels, [one.embeddings for one in sounds])
            print(f"{name}: {NOISES} noises of {low:g} to {high:g} dB: {told}")
    for level_db in HISS_DB:
        random = np.random.default_rng(SEED)
        own = [_hiss(detector, level_db, random) for _ in range(LABELLED + ASKED)]
        clips = [
            Clip(f"hiss {number}", "casual", f"hiss {number}", embedding)
            for number, embedding in enumerate(own[:LABELLED])
        ]
        head = _fitted(replace(dataset, training=(*dataset.training, *clips)))
        told = _told(head, card.labels, own[LABELLED:])
        print(f"with {LABELLED} labelled casual: {ASKED} of white noise at {level_db:g} dB: {told}")


def _fitted(dataset: Dataset) -> heads.Head:
    return heads.fit(dataset, ("gunshot", "explosion"), lambda *_: None)


def _hiss(detector: Detector, level_db: float, random: np.random.Generator) -> Any:
    rate = detector.card.sample_rate
    level = 10 ** ((level_db + random.uniform(-2, 2)) / 20)
    samples = (level * random.standard_normal(round(rate * DURATION_S))).clip(-1, 1)
    return detector.embed(Waveform(samples.astype(np.float32), rate))


def _told(head: heads.Head, labels: Sequence[str], embeddings: Sequence[Any]) -> str:
    thresholds = np.array([head.thresholds[label] for label in labels])
    answers: Counter[str] = Counter()
    for embedding in embeddings:
        mean = head.probabilities(embedding).mean(axis=0, keepdims=True)
        novelty = head.novelty(embedding).mean(keepdims=True)
        (passes,) = accepted(mean, novelty, thresholds, head.novelty_threshold)
        answers[labels[int(mean.argmax())] if passes else "uncertain"] += 1
    return ", ".join(f"{count} {answer}" for answer, count in answers.most_common())


if __name__ == "__main__":
    main()
