"""The reference: FastAPI, librosa and a Keras network, as such services are mostly written.

``python reference.py PORT`` in an environment of its own, see ``tests.bench.environments``. As the
projects that Earshot was made after have it: the upload goes through a temporary file, librosa
loads it and makes a mel spectrogram, and ``model.predict`` hears that. The network is MobileNetV2,
2.2 million weights, of the same class as ours (1.9 million); what it answers does not matter here.
"""

import sys
import tempfile

import librosa
import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, UploadFile

LABELS = ["casual", "explosion", "gunshot", "siren"]
RATE = 16_000
SECONDS = 4

app = FastAPI()
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
model = tf.keras.applications.MobileNetV2(
    input_shape=(128, 128, 3), weights=None, classes=len(LABELS)
)


def image(path: str) -> np.ndarray:
    sound, _ = librosa.load(path, sr=RATE)
    sound = librosa.util.fix_length(sound, size=SECONDS * RATE)
    mel = librosa.feature.melspectrogram(y=sound, sr=RATE, n_mels=128)
    decibels = librosa.power_to_db(mel, ref=np.max)
    scaled = (decibels - decibels.min()) / (np.ptp(decibels) + 1e-9)
    sized = tf.image.resize(scaled[..., np.newaxis], (128, 128)).numpy()
    return np.repeat(sized, 3, axis=-1)[np.newaxis]


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, object]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as upload:
        upload.write(file.file.read())
        upload.flush()
        probabilities = model.predict(image(upload.name), verbose=0)[0]
    best = int(np.argmax(probabilities))
    return {
        "label": LABELS[best],
        "confidence": float(probabilities[best]),
        "probabilities": dict(zip(LABELS, map(float, probabilities), strict=True)),
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
