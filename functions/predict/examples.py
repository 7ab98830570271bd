"""What each error says, for the manual."""

from __future__ import annotations

from earshot import errors

from predict import problems

# Word for word as in a real answer.
DETAILS: dict[type[Exception], str] = {
    problems.MalformedForm: "The form cannot be read: Missing boundary in multipart.",
    problems.MalformedJson: (
        "The body is not JSON: Expecting property name enclosed in double quotes at character 1."
    ),
    problems.UnsupportedMediaType: (
        "The Content-Type says text/plain. Send JSON, with Content-Type: application/json."
    ),
    problems.InvalidRequest: "query.top_k: Input should be greater than or equal to 1",
    problems.InternalError: "Something failed inside Earshot; it has been logged. Try again.",
    problems.AwsUnavailable: "A service behind the API failed. Try again.",
    problems.PathNotFound: "There is nothing at /nothing. GET /docs lists what there is.",
    problems.MethodNotAllowed: "/predict takes POST.",
    errors.EmptyRecording: "The file is empty (0 bytes). Send a recording.",
    errors.UnsupportedFormat: (
        "The content is not audio that Earshot reads. Send WAV, FLAC, OGG, MP3, M4A, AAC, Opus or "
        "WebM; the file's name and content type are not looked at."
    ),
    errors.UndecodableRecording: (
        "The flac file is damaged: File contains data in an unimplemented format. Check that it "
        "plays, or export it again."
    ),
    errors.TruncatedRecording: (
        "The wav file is cut short: by its own structure it goes on after the 5000 bytes it has. "
        "Upload it again."
    ),
    errors.RecordingTooShort: "The recording lasts 0.0625 s; at least 0.1 s are needed.",
    errors.RecordingTooLong: (
        "The recording lasts 601 s or more; at 4000 Hz at most 600 s are taken here. Put a longer "
        "one into the recordings bucket, under recordings/<site>/."
    ),
    errors.UnsupportedSampleRate: (
        "The sample rate is 2000 Hz; between 4000 and 500000 Hz can be used."
    ),
    errors.TooManyChannels: "The recording has 40 channels; at most 32 can be mixed to mono.",
    errors.NonFiniteSamples: (
        "The recording holds NaN or infinite samples. Export it again as integer PCM."
    ),
    errors.SamplesOutOfScale: (
        "Samples reach 3.28e+04 times full scale. Export the recording as integer PCM, or divide "
        "the samples so that they lie within ±1."
    ),
    errors.RecordingTooLarge: (
        "The body is larger than 4.4 MB. What is larger goes to the recordings bucket: "
        "POST /uploads tells how."
    ),
    errors.ModelNotFound: "There is no model version '20261121-101500-000000'.",
    errors.EvaluationNotFound: "20261121-101500-3f1c22ab came without evaluation.json.",
    errors.BadBundle: "evaluation.json cannot be read: KeyError('clips').",
    errors.RunNotFound: "There is no training run '20261121-101500-000000'.",
    errors.ExampleNotFound: (
        "No sound of 'meow' is built in. There are sounds of casual, explosion, gunshot, siren."
    ),
    errors.PromotionConflict: (
        "Nothing was changed: '20261121-101500-000000' is not the champion, or no longer. Look at "
        "GET /models, and ask again if it still should change."
    ),
    errors.NothingToRollBackTo: (
        "No version served before this one. Promote a version of GET /models by its name."
    ),
    errors.NoShadow: (
        "No version hears along with the champion: nothing was changed. Look at GET /models."
    ),
    errors.RetrainInProgress: (
        "Training run 20261121-101500-9d57c2 is under way. Wait for it to end."
    ),
    errors.NotEnoughSamples: (
        "There are 0 new samples, 9 were asked for. Add samples, or ask for fewer."
    ),
    errors.PromotionRefused: (
        "20261121-101500-000000 could not serve, so the champion stays what it is: model.onnx of "
        "20261121-101500-000000 has SHA-256 3f1c22ab4240…, its card says 9d57c2a8c9a1…: the file "
        "was altered or cut. Promote another version."
    ),
    errors.NoModel: (
        "There is no model yet. Put labelled recordings into samples/<label>/: the first model is "
        "trained from them. GET /samples tells how many are there and how many start a training."
    ),
    errors.TokenRequired: (
        "Send a token in the header 'Authorization: Bearer <token>'. `earshot token create` makes "
        "one."
    ),
    errors.TokenInvalid: ("This is no token of this deployment. `earshot token create` makes one."),
    errors.ScopeMissing: (
        "This needs a token of scope 'write', and 'ranger' is one of scope 'predict'. `earshot "
        "token create NAME --scope write` makes one."
    ),
    errors.BadKey: (
        "'a/b' cannot be a site: use up to 64 letters, digits, spaces, '_', '.', \"'\" or '-', "
        "the first one a letter, a digit or '_'."
    ),
    errors.UnknownLabel: (
        "'owl' is not a label of surveillance: use one of casual, explosion, gunshot, siren."
    ),
    errors.LabelMissing: (
        "'clip.wav' begins with no label. Send the field `label`, or name the file <label>_….wav, "
        "with one of: casual, explosion, gunshot, siren."
    ),
    errors.SamplesRefused: (
        "None of the files can be used. The file is empty (0 bytes). Send a recording."
    ),
    errors.ArchiveTooLarge: ("It has 2000000000 bytes; an archive may have 1000000000. Split it."),
    errors.RecordingNotFound: (
        "There is no recording '0123456789abcdef'. GET /recordings lists them."
    ),
    errors.ReviewNotFound: "There is no review '0123456789abcdef'. GET /review lists them.",
    errors.ResultsNotFound: (
        "s3://earshot-artifacts/results/51c0a7e2f39d8b64.json was kept and is no longer there. Put "
        "the recording into the recordings bucket again."
    ),
    errors.BadTimeSpan: (
        "`since` lies 9822.9 days before `until`. Between 0 and 366 days can be asked for at once."
    ),
    errors.ResultsTooLarge: (
        "The 43200 detections are 9331200 bytes, and 5500000 can be answered. Ask for fewer by "
        "`label` or `min_confidence`, or take the files from results/9b1f6d0c2e7a4853/ in the "
        "artifacts bucket."
    ),
    errors.ClipNotFound: (
        "There is no clip '9f86d081884c-000031.000-000037.000.flac' any more, or never was: clips "
        "are kept for a time that the deployment sets (ClipDays). Listen to the recording itself, "
        "or put it into the recordings bucket again."
    ),
    errors.NothingToSearchBy: (
        "Nothing at 48 s of recordings/ridge/dawn.wav was kept to search by: it was neither among "
        "its surest detections nor doubtful, or what heard it has another backbone than "
        "20261121-101500-3f1c22ab. Send its sound."
    ),
    errors.NotAnalysed: (
        "recordings/ridge/dawn.wav is received, not analysed. It came in a moment ago: ask again."
    ),
    errors.ReviewConflict: (
        "51c0a7e2f39d8b64 was reviewed by mara at 2026-11-21T10:20:30.123Z: siren. That stands; "
        "nothing was changed."
    ),
    errors.UploadNotFound: (
        "There is no unfinished upload 'none' of this key: it is over, or was never begun. Ask "
        "POST /uploads again."
    ),
    errors.UploadConflict: (
        "recordings/ridge/9f86d081884c/dawn.wav is there with 7 bytes, not 9: other content, or a "
        "file that was not whole. Upload it under another name."
    ),
    errors.PartsMissing: (
        "2 of 12 parts are not there, or not of the size that was agreed, the first of them number "
        "3. Put them, then complete."
    ),
}
