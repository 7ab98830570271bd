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
    ├── BadSample                   a labelled clip that cannot be catalogued
    │   ├── BadKey                  the object's key does not name a label
    │   ├── UnknownLabel
    │   └── LabelConflict           the same audio is catalogued under another label
    ├── BadArchive                  an archive that cannot be unpacked
    │   ├── DamagedArchive          no zip, cut short, or not what its checksums say
    │   ├── ArchiveTooLarge         more entries, bytes or inflation than is taken
    │   ├── UnsupportedArchive      encrypted, or compressed in an unusual way
    │   └── UnsafeName              an entry's name leads out of the archive
    ├── NotFound
    │   ├── ModelNotFound
    │   └── RunNotFound
    ├── Conflict                    somebody else was first
    │   ├── PromotionConflict
    │   ├── NothingToRollBackTo
    │   ├── RetrainInProgress
    │   └── NotEnoughSamples
    ├── BadBundle                   a model version that does not verify
    ├── PromotionRefused            a version that could not serve is not promoted
    ├── NoModel                     nothing to predict with yet
    ├── BadApplication              an application file that makes no sense
    ├── BadDataset                  too little, or leaking, training data
    ├── UnknownBackbone             neither built in nor imported
    ├── BadBackbone                 a network that cannot be a backbone
    ├── FetchFailed                 a publisher's file that did not come, or is another one
    └── BadSettings                 the environment lacks something

Every class has a stable ``code`` for programs; the message is for people and says what to do.
"""


class EarshotError(Exception):
    """The root: anything Earshot raises on purpose."""

    code = "error"


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


class BadSample(EarshotError):
    """A labelled clip that cannot be catalogued."""

    code = "bad_sample"


class BadKey(BadSample):
    """An object key that does not say what the object is."""

    code = "bad_key"


class UnknownLabel(BadSample):
    """A label that the application does not have."""

    code = "unknown_label"


class LabelConflict(BadSample):
    """The same audio is already catalogued under another label."""

    code = "label_conflict"


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


class RunNotFound(NotFound):
    """No such training run."""

    code = "run_not_found"


class Conflict(EarshotError):
    """The state has moved on, or does not allow it."""

    code = "conflict"


class PromotionConflict(Conflict):
    """Another promotion came first."""

    code = "promotion_conflict"


class NothingToRollBackTo(Conflict):
    """No version served before this one."""

    code = "nothing_to_roll_back_to"


class RetrainInProgress(Conflict):
    """A training run is already under way."""

    code = "retrain_in_progress"


class NotEnoughSamples(Conflict):
    """Fewer new samples than were asked for."""

    code = "not_enough_samples"


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
