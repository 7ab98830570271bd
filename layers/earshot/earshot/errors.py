"""What can go wrong, as one tree.

::

    EarshotError
    ├── BadRecording                the audio itself cannot be used
    │   ├── EmptyRecording          no bytes, or no samples
    │   ├── UnsupportedFormat       not a kind of audio that Earshot reads
    │   ├── UndecodableRecording    the right kind, but damaged
    │   ├── TruncatedRecording      shorter than its own header says
    │   ├── RecordingTooShort
    │   ├── RecordingTooLong
    │   ├── UnsupportedSampleRate
    │   ├── TooManyChannels
    │   ├── NonFiniteSamples        NaN or infinity among the samples
    │   └── SamplesOutOfScale       far beyond full scale
    ├── RecordingTooLarge           more bytes than the API takes
    ├── ResultsTooLarge             more detections than the API can answer
    ├── BadTimeSpan                 a stretch of time that is too long, or ends before it begins
    ├── BadSample                   a labelled clip that cannot be catalogued
    │   ├── BadKey                  the object's key does not name a label
    │   ├── UnknownLabel
    │   ├── LabelMissing            neither given nor told by the file's name
    │   ├── LabelConflict           the same audio is catalogued under another label
    │   └── SamplesRefused          none of several clips can be used
    ├── BadArchive                  an archive that cannot be unpacked
    │   ├── DamagedArchive          no zip, cut short, or not what its checksums say
    │   ├── ArchiveTooLarge         more entries, bytes or inflation than is taken
    │   ├── UnsupportedArchive      encrypted, or compressed in an unusual way
    │   └── UnsafeName              an entry's name leads out of the archive
    ├── NotFound
    │   ├── ModelNotFound
    │   ├── EvaluationNotFound      a version that came without one
    │   ├── RunNotFound
    │   ├── ExampleNotFound
    │   ├── RecordingNotFound
    │   ├── ReviewNotFound
    │   ├── ResultsNotFound         detections that somebody removed
    │   ├── ClipNotFound            a clip that expired, or never was
    │   ├── NothingToSearchBy       a stretch or a sample whose embedding was not kept
    │   ├── UploadNotFound
    │   └── TokenNotFound
    ├── AccessDenied                the API is not for this caller, or not all of it
    │   ├── TokenRequired
    │   ├── TokenInvalid            unknown, revoked or expired
    │   └── ScopeMissing            a token for less than was asked
    ├── Conflict                    somebody else was first
    │   ├── SampleContended         too many changed one sound at once
    │   ├── PromotionConflict
    │   ├── NothingToRollBackTo
    │   ├── NoShadow                no challenger, or not that one, hears along
    │   ├── RetrainInProgress
    │   ├── NotEnoughSamples
    │   ├── NotAnalysed             a recording whose detections are not known
    │   ├── IncidentContended       too many told of one incident at once
    │   ├── RecordingReplaced       other content came to its key while it was analysed
    │   ├── ReviewConflict          it was reviewed, with another verdict
    │   ├── UploadConflict          other content lies where an upload would go
    │   └── PartsMissing            an upload that is not whole yet
    ├── BadBundle                   a model version that does not verify
    ├── PromotionRefused            a version that could not serve is not promoted
    ├── NoModel                     nothing to predict with yet
    ├── BadApplication              an application file that makes no sense
    ├── BadDataset                  too little, or leaking, training data
    ├── UnknownBackbone             neither built in nor imported
    ├── BadBackbone                 a network that cannot be a backbone
    ├── FetchFailed                 a publisher's file that did not come, or is another one
    ├── BadSettings                 the environment lacks something
    ├── DeliveryFailed              a webhook did not take an alert
    └── ApiFailed                   the API did not do what the command asked of it
        ├── ApiUnreachable          nothing answers there, or not Earshot
        ├── ApiRefused              a problem, with the code that the API gave it
        │   └── TokenRefused        no token, or not one that may do this
        └── StorageRefused          the bucket does not take what the API let it be sent

Every class has a stable ``code`` for programs; the message is for people and says what to do.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class EarshotError(Exception):
    """The root: anything Earshot raises on purpose.

    ``members`` is what a program may want to know beside the message.
    """

    code = "error"
    members: Mapping[str, Any] = MappingProxyType({})


class BadRecording(EarshotError):
    """The audio itself cannot be used."""

    code = "bad_recording"


class EmptyRecording(BadRecording):
    """No bytes, or a header followed by no samples."""

    code = "empty_recording"


class UnsupportedFormat(BadRecording):
    """Not a kind of audio that Earshot reads, judged by content."""

    code = "unsupported_format"


class UndecodableRecording(BadRecording):
    """The right kind of file, but damaged."""

    code = "undecodable_recording"


class TruncatedRecording(BadRecording):
    """Holds fewer samples than its own header promises."""

    code = "truncated_recording"


class RecordingTooShort(BadRecording):
    """Shorter than anything can be heard in."""

    code = "recording_too_short"


class RecordingTooLong(BadRecording):
    """Longer than one synchronous call may be."""

    code = "recording_too_long"


class UnsupportedSampleRate(BadRecording):
    """Outside of 4 kHz to 500 kHz."""

    code = "unsupported_sample_rate"


class TooManyChannels(BadRecording):
    """More channels than a recorder has."""

    code = "too_many_channels"


class NonFiniteSamples(BadRecording):
    """NaN or infinity among the samples."""

    code = "non_finite_samples"


class SamplesOutOfScale(BadRecording):
    """Samples far beyond full scale: floats that were never divided."""

    code = "samples_out_of_scale"


class RecordingTooLarge(EarshotError):
    """More bytes than the API takes in one body."""

    code = "recording_too_large"


class ResultsTooLarge(EarshotError):
    """There are more detections than the API can answer at once."""

    code = "results_too_large"


class BadTimeSpan(EarshotError):
    """The stretch of time that was asked for is too long, or ends before it begins."""

    code = "bad_time_span"


class BadSample(EarshotError):
    """A labelled clip that cannot be catalogued."""

    code = "bad_sample"


class BadKey(BadSample):
    """An object key that does not say what the object is."""

    code = "bad_key"


class UnknownLabel(BadSample):
    """A label that the application does not have."""

    code = "unknown_label"


class LabelMissing(BadSample):
    """No label was given, and the file's name begins with none."""

    code = "label_missing"


class LabelConflict(BadSample):
    """The same audio is already catalogued under another label."""

    code = "label_conflict"


class SamplesRefused(BadSample):
    """None of several clips can be used; ``files`` says why of each."""

    code = "samples_refused"

    def __init__(self, message: str, files: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.members = {"files": files}


class BadArchive(EarshotError):
    """An archive that cannot be unpacked; nothing of it is used."""

    code = "bad_archive"


class DamagedArchive(BadArchive):
    """No zip archive, cut short, or with contents that do not match their checksums."""

    code = "damaged_archive"


class ArchiveTooLarge(BadArchive):
    """More entries, more bytes, or more bytes out of few than is taken."""

    code = "archive_too_large"


class UnsupportedArchive(BadArchive):
    """Encrypted, or compressed by a method that Earshot does not read."""

    code = "unsupported_archive"


class UnsafeName(BadArchive):
    """An entry whose name could lead elsewhere than below its label."""

    code = "unsafe_name"


class NotFound(EarshotError):
    """What was asked for does not exist."""

    code = "not_found"


class ModelNotFound(NotFound):
    """No such model version."""

    code = "model_not_found"


class EvaluationNotFound(NotFound):
    """A version that came without its held-out answers."""

    code = "evaluation_not_found"


class RunNotFound(NotFound):
    """No such training run."""

    code = "run_not_found"


class ExampleNotFound(NotFound):
    """No sound of that label is built in."""

    code = "example_not_found"


class RecordingNotFound(NotFound):
    """No such recording."""

    code = "recording_not_found"


class ReviewNotFound(NotFound):
    """Nothing such is, or was, in the review queue."""

    code = "review_not_found"


class ResultsNotFound(NotFound):
    """What was found in a recording was kept, and is no longer there."""

    code = "results_not_found"


class ClipNotFound(NotFound):
    """There is no such clip: it expired, or never was."""

    code = "clip_not_found"


class NothingToSearchBy(NotFound):
    """Of this stretch or sample nothing was kept that could be searched by."""

    code = "nothing_to_search_by"


class UploadNotFound(NotFound):
    """No such upload: it was never begun, or it is over."""

    code = "upload_not_found"


class TokenNotFound(NotFound):
    """No such token."""

    code = "token_not_found"


class AccessDenied(EarshotError):
    """The API is not for this caller, or not all of it."""

    code = "access_denied"


class TokenRequired(AccessDenied):
    """The request came without a token."""

    code = "token_required"


class TokenInvalid(AccessDenied):
    """No token of this deployment, or one that was revoked or has expired."""

    code = "token_invalid"


class ScopeMissing(AccessDenied):
    """A token that is good, but for less than was asked."""

    code = "scope_missing"


class Conflict(EarshotError):
    """The state has moved on, or does not allow it."""

    code = "conflict"


class SampleContended(Conflict):
    """Others changed the same object, or objects of the same sound, again and again."""

    code = "sample_contended"


class PromotionConflict(Conflict):
    """Another promotion came first."""

    code = "promotion_conflict"


class NothingToRollBackTo(Conflict):
    """No version served before this one."""

    code = "nothing_to_roll_back_to"


class NoShadow(Conflict):
    """No challenger, or not that one, hears along with the champion."""

    code = "no_shadow"


class RetrainInProgress(Conflict):
    """A training run is already under way."""

    code = "retrain_in_progress"


class NotEnoughSamples(Conflict):
    """Fewer new samples than were asked for."""

    code = "not_enough_samples"


class NotAnalysed(Conflict):
    """A recording that waits to be analysed, or was refused: it has no detections."""

    code = "not_analysed"


class RecordingReplaced(Conflict):
    """Other content came to a recording's key while it was analysed."""

    code = "recording_replaced"


class IncidentContended(Conflict):
    """Others changed the incidents of a rule and a site again and again."""

    code = "incident_contended"


class ReviewConflict(Conflict):
    """Another verdict stands, or none that could be taken back."""

    code = "review_conflict"


class UploadConflict(Conflict):
    """Other content lies where an upload would go."""

    code = "upload_conflict"


class PartsMissing(Conflict):
    """Parts of an upload are not there, or not whole: their numbers are ``missing``."""

    code = "parts_missing"

    def __init__(self, message: str, missing: Sequence[int]) -> None:
        super().__init__(message)
        self.members = {"missing": missing}


class BadBundle(EarshotError):
    """A model version that does not verify; it must not serve."""

    code = "bad_bundle"


class PromotionRefused(EarshotError):
    """A version that does not verify, or fails when it is tried: the champion stays."""

    code = "promotion_refused"


class NoModel(EarshotError):
    """There is neither a champion nor a default bundle."""

    code = "no_model"


class BadApplication(EarshotError):
    """An application file that makes no sense."""

    code = "bad_application"


class BadDataset(EarshotError):
    """Training data that is too little, or leaks between its parts."""

    code = "bad_dataset"


class UnknownBackbone(EarshotError):
    """A backbone that is neither built in nor imported."""

    code = "unknown_backbone"


class BadBackbone(EarshotError):
    """A network that cannot be a backbone."""

    code = "bad_backbone"


class FetchFailed(EarshotError):
    """A publisher's file that did not come, or is not the one that was meant."""

    code = "fetch_failed"


class BadSettings(EarshotError):
    """The environment lacks a setting, or holds one that makes no sense."""

    code = "bad_settings"


class DeliveryFailed(EarshotError):
    """A webhook did not take an alert: it is to be sent again."""

    code = "delivery_failed"


class ApiFailed(EarshotError):
    """The API, asked by the command, did not do it."""

    code = "api_failed"


class ApiUnreachable(ApiFailed):
    """Nothing answers at the API's address, or something that is not Earshot."""

    code = "api_unreachable"


class ApiRefused(ApiFailed):
    """A problem that the API answered with: its ``status``, and the ``code`` that it has there."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class TokenRefused(ApiRefused):
    """The token is missing or invalid, or may not do this."""


class StorageRefused(ApiFailed):
    """The bucket did not take what the API let it be sent; ``status`` is the bucket's."""

    code = "storage_refused"

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
