"""Our own ONNX file behind BentoML: ``bentoml serve bento:Classifier``, one worker.

In an environment of its own, see ``tests.bench.environments``; EARSHOT_MODEL names the file.
"""

import os
from pathlib import Path
from typing import Annotated

import bentoml
import numpy as np
import onnxruntime
import soundfile
from bentoml.validators import ContentType

LABELS = ["casual", "explosion", "gunshot", "siren"]


@bentoml.service(workers=1)
class Classifier:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["EARSHOT_MODEL"], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api
    def predict(self, file: Annotated[Path, ContentType("audio/wav")]) -> dict[str, object]:
        sound, _ = soundfile.read(file, dtype="float32")
        (probabilities,) = self.session.run(["probabilities"], {"waveform": sound[np.newaxis]})
        best = int(np.argmax(probabilities[0]))
        return {
            "label": LABELS[best],
            "confidence": float(probabilities[0][best]),
            "probabilities": dict(zip(LABELS, map(float, probabilities[0]), strict=True)),
        }
