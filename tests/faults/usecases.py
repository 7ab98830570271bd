"""All use cases; each lies with its like."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from drift_cases import TrainForDrift, WatchDrift
from ingest_cases import (
    Analysis,
    Crossing,
    Import,
    LongRecording,
    Refused,
    RefusedImport,
    Removal,
    Replacement,
    SameSample,
    Sample,
)
from model_cases import (
    LostJob,
    Promote,
    Publish,
    RollBack,
    RolledBack,
    ShadowPromoted,
    Sweep,
    Train,
    TrainForTheShadow,
)
from people_cases import Ask, Classify, CompleteUpload, Decision, Question, TakeIn, Undo
from search_cases import Pack, PackedBefore
from usecase import UseCase

USE_CASES: tuple[type[UseCase], ...] = (
    Sample,
    SameSample,
    Crossing,
    Refused,
    Import,
    RefusedImport,
    Analysis,
    LongRecording,
    Removal,
    Replacement,
    TakeIn,
    CompleteUpload,
    Question,
    Decision,
    Undo,
    Ask,
    Classify,
    Publish,
    Promote,
    RollBack,
    Train,
    TrainForTheShadow,
    LostJob,
    ShadowPromoted,
    RolledBack,
    Sweep,
    WatchDrift,
    TrainForDrift,
    Pack,
    PackedBefore,
)
# What may come out of a use case under a fault, besides Earshot's own errors.
OF_THE_WORLD = (BotoCoreError, ClientError)
