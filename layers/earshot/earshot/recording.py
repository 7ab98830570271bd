"""The values that flow through Earshot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from earshot.moments import later

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

Decision = Literal["accepted", "uncertain"]
NotedBy = Literal["guano", "audiomoth", "name"]
ImportState = Literal["unpacking", "unpacked"]
State = Literal[
    "added",
    "duplicate",
    "removed",
    "refused",
    "recorded",
    "analysing",
    "analysed",
    "unpacked",
    "gone",
    "ignored",
]
RecordingState = Literal["received", "analysing", "analysed", "refused"]
Verdict = Literal["confirm", "correct", "reject"]
Reason = Literal["disagreement", "drift", "uncertain", "novel"]


def object_id(key: str) -> str:
    """An object's id: sixteen hex digits, the same for one key at any time, safe in a URL."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Waveform:
    """Mono audio: ``samples`` float32 ``[n]``, full scale ±1, at ``sample_rate`` Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @cached_property
    def sha256(self) -> str:
        """The recording's identity: the same sound has it under any name and in any container."""
        digest = hashlib.sha256(f"{self.sample_rate}\n".encode())
        digest.update(self.samples.astype("<f4", copy=False).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled clip in the catalog; ``embedding`` is float32 ``[windows, dim]``.

    ``embedded_by`` names the backbone and the windows that made it. A clip that came in before
    there was a model has no embedding yet, and ``embedded_by`` is empty.

    ``group`` names the recording that the clip was cut from: clips of one group never
    stand on both sides of a split.
    """

    sha256: str
    label: str
    group: str
    key: str
    duration_s: float
    embedded_by: str
    embedding: Samples | None
    added_at: str


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording in which one label is heard."""

    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True)
class Explanation:
    """What ``label`` hangs on, between ``start_s`` and ``end_s`` of a recording.

    ``importance`` ``[bands][times]``, low bands first, over the edges ``frequencies_hz``
    ``[bands + 1]`` and ``times_s`` ``[times + 1]`` (of the recording): by how many nats the
    label's log-odds fall without a cell; ``band_importance`` ``[bands]`` without a band at any
    time, ``time_importance`` ``[times]`` without a time in any band. ``baseline_confidence`` is
    the label's probability with all of it.
    """

    label: str
    start_s: float
    end_s: float
    times_s: tuple[float, ...]
    frequencies_hz: tuple[float, ...]
    importance: tuple[tuple[float, ...], ...]
    band_importance: tuple[float, ...]
    time_importance: tuple[float, ...]
    baseline_confidence: float


@dataclass(frozen=True)
class Prediction:
    """What was heard in a recording; ``probabilities`` has every label of the model.

    ``novelty`` is how far the sound is from all that was learnt, the mean over its windows.
    ``processing_ms`` is what it took from bytes to this; 0 where nobody measured.
    """

    label: str
    class_id: int
    confidence: float
    decision: Decision
    probabilities: dict[str, float]
    segments: tuple[Segment, ...]
    model_version: str
    duration_s: float
    explanation: Explanation | None = None
    novelty: float = 0.0
    # How long it took says nothing of what was heard.
    processing_ms: float = field(default=0.0, compare=False)

    def top(self, k: int) -> list[tuple[str, float]]:
        """The ``k`` most probable labels, the best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:k]


@dataclass(frozen=True)
class Answer:
    """What a model made of one sound, in short; ``accepted`` says whether it stands by it."""

    label: str
    confidence: float
    novelty: float
    accepted: bool


@dataclass(frozen=True)
class Observation:
    """An answer to live sound, one of those of its site that are independent of each other.

    ``at`` is when it was heard; ``name`` tells it from others of that time.
    """

    at: str
    name: str
    model_version: str
    answer: Answer


@dataclass(frozen=True)
class Refusal:
    """An object that could not be used, and why."""

    key: str
    code: str
    reason: str
    refused_at: str


@dataclass(frozen=True)
class Import:
    """An archive whose clips go, or went, to ``samples/``.

    ``version`` names the object's content at ``key``; ``size`` is that of all clips in bytes;
    ``ignored`` names the first of ``ignored_total`` files that are not audio.
    """

    key: str
    version: str
    state: ImportState
    clips: int
    size: int
    ignored: tuple[str, ...]
    ignored_total: int
    at: str


@dataclass(frozen=True)
class Detection:
    """Where one label was heard from the first window to the last, and how surely.

    ``peak_confidence`` is the highest of the windows' probabilities, ``mean_confidence`` their
    mean; ``peak_s`` is where the surest window starts. ``clip`` names the audio around it, if some
    is kept.
    """

    start_s: float
    end_s: float
    label: str
    peak_confidence: float
    mean_confidence: float
    peak_s: float = 0.0
    clip: str | None = None


@dataclass(frozen=True)
class Detections:
    """What one model version detected in one recording.

    ``background`` is the label that makes no detections; ``labels`` has every label of the model;
    ``high_hz`` is the highest frequency that the model could hear in the recording, ``started_at``
    when that starts, if its notes say so.
    """

    recording: str
    key: str
    site: str
    duration_s: float
    high_hz: float
    model_version: str
    labels: tuple[str, ...]
    background: str | None
    detections: tuple[Detection, ...]
    started_at: str | None = None

    def time_of(self, one: Detection) -> str | None:
        """When a detection truly starts; None where the recording's start is not known."""
        return None if self.started_at is None else later(self.started_at, one.start_s)


@dataclass(frozen=True)
class Occurrence:
    """A detection among those of all recordings.

    ``at`` is when it was: by the recording's notes, then ``started_at`` says the same; or as if
    the recording had started when it was received, and ``started_at`` is None.
    """

    recording: str
    key: str
    site: str
    model_version: str
    at: str
    started_at: str | None
    detection: Detection


@dataclass(frozen=True)
class Doubt:
    """A window of a recording that is worth a person's time, for a ``reason``.

    ``margin`` is by how much the best label's probability, ``confidence``, exceeds the second's.
    ``novelty`` is how far the window is from all that was learnt, as a share of what the model
    still accepts: above 1 it accepts no answer. A doubt of an earlier release has 0.

    The reason is ``uncertain`` or ``novel``, whichever weighs more; ``disagreement`` when a model
    in the shadow hears something else, ``drift`` when its site does not sound as it used to.
    """

    start_s: float
    end_s: float
    label: str
    confidence: float
    margin: float
    probabilities: dict[str, float]
    novelty: float = 0.0
    reason: Reason = "uncertain"


@dataclass(frozen=True)
class FieldNotes:
    """What a recorder wrote down of a recording, as far as it did.

    ``started_at`` is when the recording starts, in the form of ``now``, and ``started_by`` who
    says so: its GUANO metadata, AudioMoth's comment or the file's name. ``device`` is the
    recorder's model and serial number, ``site`` the place or deployment that it was told of;
    ``latitude`` and ``longitude`` in degrees (WGS84, north and east positive), ``temperature_c``
    in °C, ``battery_v`` in volts: at the ends of AudioMoth's scale it is at least or at most so
    much.
    """

    started_at: str | None = None
    started_by: NotedBy | None = None
    device: str | None = None
    site: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    temperature_c: float | None = None
    battery_v: float | None = None


@dataclass(frozen=True)
class FieldRecording:
    """An unlabelled recording: what came in, and what became of it.

    ``recording`` is its id; ``size`` in bytes; ``version`` names the object's content at ``key``.
    ``code`` and ``reason`` say why it is refused, or still waits. While it is analysed,
    ``model_version`` is what hears it, and ``progress`` the share that was heard by
    ``progress_at``. ``results`` is the key of its Detections in the artifacts bucket,
    ``detections`` counts them by label.
    """

    recording: str
    key: str
    site: str
    size: int
    version: str
    state: RecordingState
    received_at: str
    code: str | None = None
    reason: str | None = None
    analysed_at: str | None = None
    duration_s: float | None = None
    model_version: str | None = None
    progress: float | None = None
    progress_at: str | None = None
    notes: FieldNotes | None = None
    results: str | None = None
    detections: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """Something was heard that somebody has to know of: the first detection of an incident.

    ``alert`` is its id. ``label``, ``threshold`` and ``site`` are the rule's and the place's;
    ``threshold`` is None for the label's own. ``at`` is when it was heard, None when the recording
    does not say when it starts; ``received_at`` when the recording came in, ``raised_at`` when the
    alert was raised. ``clip`` is the path of its audio in the API, if some is kept.
    """

    alert: str
    label: str
    threshold: float | None
    site: str
    at: str | None
    received_at: str
    raised_at: str
    recording: str
    key: str
    start_s: float
    end_s: float
    peak_confidence: float
    model_version: str
    clip: str | None = None


@dataclass(frozen=True)
class TakenBack:
    """A verdict that stands no more: what a Review said of it, who undid it, and when."""

    verdict: Verdict
    reviewed_label: str | None
    sample: str | None
    reviewed_by: str
    reviewed_at: str
    undone_by: str
    undone_at: str


@dataclass(frozen=True)
class Review:
    """A doubt that a person is asked about, and what the person said.

    ``clip`` is the key of the stretch's audio in the artifacts bucket. While there is a verdict,
    ``reviewed_label`` is what the stretch was said to be, None when it was rejected, and
    ``sample`` the key that its audio became a sample by. ``history`` has the verdicts that were
    taken back, the oldest first.
    """

    review: str
    recording: str
    key: str
    site: str
    doubt: Doubt
    clip: str
    model_version: str
    queued_at: str
    verdict: Verdict | None = None
    reviewed_label: str | None = None
    sample: str | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None
    history: tuple[TakenBack, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of an object in the recordings bucket."""

    key: str
    state: State
    detail: str = ""
