"""What the default bundle makes of steady noise that it has not learnt from: ``make noise``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from earshot.bundle import Bundle
from earshot.detector import Detector

from retrain.noise import STEADY_DB, steady_noise

BUNDLE = Path(__file__).parents[2] / "infra" / "bundles" / "surveillance"
# Of each, in dB of full scale; the first is silence, from a 16-bit recorder's last digit on.
LEVELS_DB = ((-96.0, -55.0), STEADY_DB)
NOISES = 300
DURATION_S = 8.0
# Another one draws what is learnt from.
SEED = 77


def main() -> None:
    """Print a line for each range of levels: how many are accepted, as what, and the uncertain."""
    detector = Detector(Bundle.load(BUNDLE))
    for low, high in LEVELS_DB:
        random = np.random.default_rng(SEED)
        answers: Counter[str] = Counter()
        for _ in range(NOISES):
            sound = steady_noise(random, detector.card.sample_rate, DURATION_S, (low, high))
            heard = detector.classify(sound)
            answers[heard.label if heard.decision == "accepted" else heard.decision] += 1
        told = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
        print(f"{NOISES} noises of {low:g} to {high:g} dB: {told}")


if __name__ == "__main__":
    main()
