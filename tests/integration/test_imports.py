"""Archives dropped below imports/: unpacked whole and counted once, or refused whole."""

from __future__ import annotations

import csv
import io
import secrets
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from conftest import Aws, clip, encode, pcm, with_open_labels
from earshot import store
from earshot.archive import Archive
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onemachine import local_stack

if TYPE_CHECKING:
    from earshot.recording import Outcome
    from earshot.services import Services


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def good() -> dict[str, bytes]:
    """Three sounds in four files, and what people leave lying about."""
    return {
        "clips/siren/a.wav": clip("siren", 1),
        "clips/siren/tape 7/b.flac": encode(pcm("siren", 2), container="FLAC"),
        "clips/siren/again.wav": clip("siren", 1),
        "clips/casual/c.wav": clip("casual", 3),
        "clips/notes.txt": b"recorded in the rain",
        "__MACOSX/clips/siren/._a.wav": b"litter",
        "clips/.DS_Store": b"litter",
    }


def drop(services: Services, aws: Aws, body: bytes, key: str = "imports/clips.zip") -> Outcome:
    aws.drop(key, body)
    return services.receive(key)


def samples(aws: Aws) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket="recordings", Prefix="samples/")
    return [item["Key"] for item in listed.get("Contents", [])]


def settle(services: Services, aws: Aws) -> list[str]:
    """Play the queue: every object below samples/ comes as an event."""
    return sorted(services.receive(key).state for key in samples(aws))


def test_an_archive_becomes_samples_that_count_once(services: Services, aws: Aws) -> None:
    assert drop(services, aws, zipped(good())).state == "unpacked"
    assert len(samples(aws)) == 4
    assert settle(services, aws) == ["added", "added", "added", "duplicate"]
    assert services.catalog.standing().labels == {"casual": 1, "siren": 2}
    groups = {sample.key: sample.group for sample in services.catalog.samples()}
    (tape,) = [key for key in groups if "/tape 7/" in key]
    assert groups[tape] == "tape 7"
    (record,) = services.arrivals.imports()
    assert (record.key, record.state, record.clips) == ("imports/clips.zip", "unpacked", 4)
    assert record.size == sum(
        len(body) for name, body in good().items() if "siren/" in name and "MACOSX" not in name
    ) + len(good()["clips/casual/c.wav"])
    assert (record.ignored, record.ignored_total) == (("clips/notes.txt",), 1)
    assert services.arrivals.refusals() == []


def test_the_same_archive_again_changes_nothing(services: Services, aws: Aws) -> None:
    drop(services, aws, zipped(good()))
    settle(services, aws)
    keys = samples(aws)
    # The same event, the same archive, and the same under another name and packed otherwise.
    assert services.receive("imports/clips.zip").state == "unpacked"
    assert drop(services, aws, zipped(good())).state == "unpacked"
    other = zipped(good(), zipfile.ZIP_STORED)
    assert drop(services, aws, other, "imports/2026/other.zip").state == "unpacked"
    assert samples(aws) == keys
    assert set(settle(services, aws)) == {"duplicate"}
    assert services.catalog.standing().total == 3


def test_a_repeated_event_reads_nothing_again(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(services, aws, zipped(good()))

    def verify(*_: Any) -> Any:
        pytest.fail("it was unpacked before")

    monkeypatch.setattr(Archive, "verify", verify)
    assert services.receive("imports/clips.zip").state == "unpacked"


def test_equal_names_in_two_archives_overwrite_nothing(services: Services, aws: Aws) -> None:
    drop(services, aws, zipped({"siren/a.wav": clip("siren", 1)}))
    drop(services, aws, zipped({"siren/a.wav": clip("siren", 2)}))
    assert len(samples(aws)) == 2
    assert settle(services, aws) == ["added", "added"]


def test_a_clip_that_is_no_audio_is_refused_alone(services: Services, aws: Aws) -> None:
    assert drop(services, aws, zipped({**good(), "clips/siren/bad.wav": b"text"})).state == (
        "unpacked"
    )
    assert settle(services, aws).count("refused") == 1
    (refusal,) = services.arrivals.refusals()
    assert refusal.code == "unsupported_format"
    assert services.catalog.standing().total == 3


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b"no zip at all", "damaged_archive", "no zip"),
        (b"", "damaged_archive", "no zip"),
        (zipped(good())[:-400], "damaged_archive", "no zip"),
        (zipped({**good(), "clips/siren/../../x.wav": b""}), "unsafe_name", "'clips/siren/../"),
        (zipped({**good(), "clips/owl/x.wav": b""}), "unknown_label", "'clips/owl/x.wav'"),
        (zipped({**good(), "clips/siren/z.wav": bytes(30_000_000)}), "archive_too_large", "z.wav"),
        (zipped(good(), zipfile.ZIP_LZMA), "unsupported_archive", "'clips/siren/a.wav'"),
        (zipped({"siren/notes.txt": b""}), "bad_archive", "no audio"),
    ],
)
def test_a_bad_archive_is_refused_whole_with_its_reason(
    services: Services, aws: Aws, body: bytes, code: str, word: str
) -> None:
    assert drop(services, aws, body).state == "refused"
    assert services.receive("imports/clips.zip").state == "refused"
    assert samples(aws) == []
    assert services.arrivals.imports() == []
    (refusal,) = services.arrivals.refusals()
    assert (refusal.key, refusal.code) == ("imports/clips.zip", code)
    assert word in refusal.reason
    # A good one in its place ends the refusal.
    assert drop(services, aws, zipped(good())).state == "unpacked"
    assert services.arrivals.refusals() == []


def test_an_open_application_knows_what_it_was_taught(services: Services, aws: Aws) -> None:
    services = with_open_labels(services)
    around = zipped({"birds/owl/a.wav": clip("siren", 1), "birds/wren/b.wav": clip("casual", 1)})
    assert drop(services, aws, around).state == "refused"
    assert drop(services, aws, zipped({"owl/a.wav": clip("siren", 1)})).state == "unpacked"
    assert settle(services, aws) == ["added"]
    assert drop(services, aws, around).state == "unpacked"
    settle(services, aws)
    assert services.catalog.standing().labels == {"owl": 1, "wren": 1}


@pytest.mark.parametrize("fatal", range(1, 5))
def test_a_crash_while_unpacking_is_made_good_by_the_next_try(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    client, puts = services.store._client, 0
    put_object = client.put_object

    def put(**request: Any) -> Any:
        nonlocal puts
        puts += 1
        if puts == fatal:
            raise ConnectionError("the power went out")
        return put_object(**request)

    aws.drop("imports/clips.zip", zipped(good()))
    with monkeypatch.context() as patched:
        patched.setattr(client, "put_object", put)
        with pytest.raises(ConnectionError):
            services.receive("imports/clips.zip")
    assert [record.state for record in services.arrivals.imports()] == ["unpacking"]
    settle(services, aws)
    assert services.receive("imports/clips.zip").state == "unpacked"
    settle(services, aws)
    assert services.catalog.standing().labels == {"casual": 1, "siren": 2}
    assert [record.state for record in services.arrivals.imports()] == ["unpacked"]


def test_faults_of_the_world_are_raised_for_the_queue(services: Services, aws: Aws) -> None:
    assert services.receive("imports/gone.zip").state == "gone"
    aws.s3.delete_bucket(Bucket="recordings")
    with pytest.raises(aws.s3.exceptions.ClientError):
        services.receive("imports/clips.zip")
    assert services.arrivals.refusals() == []


@pytest.mark.parametrize("is_versioned", [True, False])
def test_an_archive_replaced_while_it_is_read_is_never_mixed(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, is_versioned: bool
) -> None:
    if is_versioned:
        aws.s3.put_bucket_versioning(
            Bucket="recordings", VersioningConfiguration={"Status": "Enabled"}
        )
    first = zipped({"siren/a.wav": clip("siren", 1)})
    second = zipped({"casual/b.wav": clip("casual", 1)})
    aws.drop("imports/clips.zip", first)
    find = services.store.find
    replaced = False

    def find_and_replace(_: object, key: str) -> Any:
        nonlocal replaced
        stored = find(key)
        if not replaced:
            replaced = True
            aws.drop(key, second)
        return stored

    monkeypatch.setattr(store.Store, "find", find_and_replace)
    if is_versioned:
        assert services.receive("imports/clips.zip").state == "unpacked"
        assert [key.split("/")[1] for key in samples(aws)] == ["siren"]
    else:
        with pytest.raises(aws.s3.exceptions.ClientError, match="PreconditionFailed"):
            services.receive("imports/clips.zip")
        assert samples(aws) == []
    assert services.receive("imports/clips.zip").state == "unpacked"
    assert "casual" in {key.split("/")[1] for key in samples(aws)}


def test_a_large_clip_is_put_in_parts_and_little_of_it_is_held(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = encode(pcm("siren", 1).repeat(200))  # 25 MB
    assert len(large) > 3 * store.WHOLE_BYTES
    asked: list[int] = []
    open_clip = Archive.open

    class Watched:
        def __init__(self, stream: BinaryIO) -> None:
            self._stream = stream

        def __enter__(self) -> Watched:
            return self

        def __exit__(self, *_: object) -> None:
            self._stream.close()

        def read(self, n: int = -1) -> bytes:
            asked.append(n)
            return self._stream.read(n)

    monkeypatch.setattr(Archive, "open", lambda *args: Watched(open_clip(*args)))
    body = zipped({"siren/large.wav": large, "siren/a.wav": clip("siren", 2)})
    assert drop(services, aws, body).state == "unpacked"
    assert min(asked) > 0
    assert max(asked) <= store.WHOLE_BYTES
    (key,) = [key for key in samples(aws) if "large" in key]
    assert aws.s3.get_object(Bucket="recordings", Key=key)["Body"].read() == large


def test_many_clips_are_put_at_once_and_few_are_held(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead: list[int] = []
    opened = written = 0
    open_clip, put_object = Archive.open, services.store._client.put_object

    def open_counted(*args: Any) -> BinaryIO:
        nonlocal opened
        opened += 1
        ahead.append(opened - written)
        return open_clip(*args)

    def put(**request: Any) -> Any:
        nonlocal written
        answer = put_object(**request)
        written += 1
        return answer

    monkeypatch.setattr(Archive, "open", open_counted)
    monkeypatch.setattr(services.store._client, "put_object", put)
    body = zipped({f"siren/{n}.wav": bytes([n]) * 100 for n in range(60)})
    assert drop(services, aws, body).state == "unpacked"
    assert len(samples(aws)) == 60
    assert max(ahead) <= store.PUTS + 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 2**20)),
)
def test_any_mutation_is_unpacked_or_refused_and_never_half(
    services: Services, aws: Aws, changes: list[tuple[int, int]], cut: int | None
) -> None:
    for key in samples(aws):
        aws.s3.delete_object(Bucket="recordings", Key=key)
    body = bytearray(zipped({f"siren/{n}.wav": f"not quite audio {n}".encode() for n in range(3)}))
    for at, value in changes:
        body[at % len(body)] = value
    if cut is not None:
        del body[cut % len(body) :]
    # Under a name of its own: an archive that was unpacked before would not be unpacked again.
    key = f"imports/{secrets.token_hex(8)}.zip"
    outcome = drop(services, aws, bytes(body), key)
    assert outcome.state in ("unpacked", "refused")
    record = services.arrivals.import_of(key)
    assert len(samples(aws)) == (record.clips if record else 0)
    assert (record is None) == (outcome.state == "refused")


def test_real_recordings_in_an_archive(services: Services, aws: Aws, data_dir: Path) -> None:
    with (data_dir / "sesa" / "manifest.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if not row["note"]][::40]
    files = {
        f"sesa/{row['label']}/{Path(row['path']).name}": (
            data_dir / "sesa" / row["path"]
        ).read_bytes()
        for row in rows
    }
    assert drop(services, aws, zipped(files)).state == "unpacked"
    settle(services, aws)
    identities = {row["sha256_pcm"]: row["label"] for row in rows}
    assert services.catalog.standing().labels == Counter(identities.values())
    assert services.arrivals.refusals() == []


def test_the_api_tells_what_became_of_an_archive(services: Services, aws: Aws) -> None:
    from predict.app import create_app

    client = TestClient(create_app(services))
    assert client.get("/samples").json()["imports"] == []
    drop(services, aws, zipped(good()))
    (record,) = client.get("/samples").json()["imports"]
    assert record.pop("at").endswith("Z")
    assert record.pop("size") > 0
    assert record == {
        "key": "imports/clips.zip", "state": "unpacked", "clips": 4,
        "ignored": ["clips/notes.txt"], "ignored_total": 1,
    }  # fmt: skip


def test_an_archive_dropped_on_the_local_stack_is_counted(tmp_path: Path) -> None:
    with local_stack(tmp_path / "data", "--no-demo") as local:
        local.drop("imports/bad.zip", zipped(good())[:-10])
        local.drop("imports/clips é.zip", zipped(good()))
        local.total(3)
        found = local.until(
            lambda: (s := local.get("/samples"))["refused"] and s["imports"] and s, "a refusal"
        )
        assert found["labels"] == {"casual": 1, "siren": 2}
        assert [one["key"] for one in found["refused"]] == ["imports/bad.zip"]
        assert [(one["key"], one["clips"]) for one in found["imports"]] == [
            ("imports/clips é.zip", 4)
        ]
