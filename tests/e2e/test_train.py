"""The page Train: clips go in with their label, what is wrong is told, trainings are followed."""

from __future__ import annotations

import io
import json
import re
import urllib.request
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PATIENCE_MS, Site
from conftest import clip
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import FilePayload, Locator, Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

# A training hears, fits and judges, on a machine that does other things as well.
TRAINING_MS = 240_000


def ask(site: Site, path: str, wish: dict[str, Any] | None = None) -> Any:
    body = None if wish is None else json.dumps(wish).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(site.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def train(page: Page, site: Site) -> Page:
    page.goto(f"{site.url}/#/train")
    expect(page.get_by_role("heading", name="Teach it")).to_be_visible()
    return page


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    chosen: list[FilePayload] = [
        {"name": name, "mimeType": "audio/wav", "buffer": content} for name, content in files
    ]
    page.locator(".teach input[type=file]").set_input_files(chosen)


def row(page: Page, name: str) -> Locator:
    return page.locator(".sending tbody tr", has_text=name)


def cell(page: Page, label: str, column: int) -> Locator:
    """Of a label: 2 for its samples, 3 for those that are new."""
    return page.locator(".counts tbody tr", has_text=label).locator("th, td").nth(column)


def test_many_clips_are_taught_at_once(train: Page, site: Site) -> None:
    before = ask(site, "/samples")["labels"].get("siren", 0)
    choose(train, *((f"siren {seed}.wav", clip("siren", 300 + seed)) for seed in range(5)))
    expect(train.locator(".staged")).to_contain_text("5 clips 640 kB")
    send = train.locator(".teach button.primary")
    expect(send).to_be_disabled()
    expect(send).to_have_text("Choose their label")
    train.locator(".chips").get_by_text("siren").click()
    send.click()
    expect(train.get_by_role("heading", name="5 of 5 files sent")).to_be_visible()
    expect(train.locator("#live")).to_have_text(re.compile("5 files sent"))
    # Counted within seconds, without a click.
    expect(cell(train, "siren", 2)).to_have_text(str(before + 5))
    expect(cell(train, "siren", 3)).to_have_text(re.compile(r"\+\d+"))
    assert ask(site, "/samples")["labels"]["siren"] == before + 5


def test_the_same_file_again_is_not_sent_again(train: Page, site: Site) -> None:
    for state in ("sent", "was there already"):
        choose(train, ("again.wav", clip("casual", 310)))
        train.locator(".chips").get_by_text("casual").click()
        train.get_by_role("button", name="Teach 1 clip as casual").click()
        expect(row(train, "again.wav").last).to_contain_text(state)
    train.get_by_role("button", name="Clear the list").click()
    expect(train.locator(".sending")).to_have_count(0)


def test_what_is_no_audio_is_refused_with_its_reason(train: Page) -> None:
    choose(train, ("notes.wav", b"no sound at all, but some text " * 9))
    train.locator(".chips").get_by_text("gunshot").click()
    train.get_by_role("button", name="Teach 1 clip as gunshot").click()
    expect(row(train, "notes.wav")).to_contain_text("refused")
    expect(row(train, "notes.wav")).to_contain_text("The content is not audio that Earshot reads.")
    refused = train.locator("section", has=train.get_by_role("heading", name="refused"))
    expect(refused).to_contain_text("notes.wav given as gunshot")


def test_an_archive_brings_its_labels_along(train: Page, site: Site) -> None:
    before = ask(site, "/samples")["labels"].get("explosion", 0)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("explosion/one.wav", clip("explosion", 320))
        archive.writestr("siren/two.wav", clip("siren", 321))
        archive.writestr("read.me", "from the quarry")
    choose(train, ("quarry.zip", file.getvalue()))
    expect(train.locator(".chips")).to_have_count(0)
    train.get_by_role("button", name="Send 1 archive").click()
    expect(row(train, "quarry.zip")).to_contain_text("2 clips unpacked, 1 other file ignored")
    expect(cell(train, "explosion", 2)).to_have_text(str(before + 1))
    archives = train.locator("section", has=train.get_by_role("heading", name="Archives"))
    expect(archives).to_contain_text("read.me")


def test_files_can_be_dropped_and_taken_back(train: Page) -> None:
    train.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          for (const name of ["a.wav", "b.wav", "c.zip"])
            dataTransfer.items.add(new File(["x"], name));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }"""
    )
    expect(train.locator(".staged")).to_contain_text("2 clips and 1 archive")
    train.get_by_role("button", name="Take back").click()
    expect(train.locator(".staged")).to_have_count(0)


def test_what_fails_on_the_way_is_tried_again(train: Page, site: Site, faults: list[str]) -> None:
    bucket = f"{site.s3.meta.endpoint_url}/earshot-recordings*"
    train.route(bucket, lambda route: route.abort())
    choose(train, ("lost.wav", clip("siren", 330)))
    train.locator(".chips").get_by_text("siren").click()
    train.get_by_role("button", name="Teach 1 clip as siren").click()
    expect(row(train, "lost.wav")).to_contain_text("The bucket does not answer")
    train.unroute(bucket)
    # It goes on from another page, too.
    train.get_by_role("link", name="Labels").click()
    train.get_by_role("link", name="Train").click()
    train.get_by_role("button", name="Try again").click()
    expect(row(train, "lost.wav")).to_contain_text(re.compile(r"sent|was there"))
    assert [fault for fault in faults if "ERR_FAILED" not in fault] == []
    faults.clear()


def test_a_label_is_named_anew_where_labels_are_open(
    train: Page, site: Site, faults: list[str]
) -> None:
    def opened(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "open_labels": True})

    train.route("**/samples", opened)
    train.reload()
    choose(train, ("owl.wav", clip("siren", 340)))
    train.locator(".chips").get_by_text("a new label").click()
    train.get_by_label("New label", exact=True).fill("barn owl")
    train.get_by_role("button", name="Teach 1 clip as barn owl").click()
    # This application's are not: the API has the last word.
    expect(row(train, "owl.wav")).to_contain_text("'barn owl' is not a label of surveillance")
    assert [fault for fault in faults if "422" not in fault] == []
    faults.clear()
    train.unroute("**/samples")


# --- trainings -----------------------------------------------------------------------------


def test_too_few_samples_are_told(train: Page, faults: list[str]) -> None:
    train.get_by_label("If new are at least").fill("9999")
    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.get_by_role("alert")).to_contain_text("9999 were asked for")
    assert [fault for fault in faults if "409" not in fault] == []
    faults.clear()


@pytest.fixture
def as_before(site: Site) -> Iterator[None]:
    """What serves when the test is over is what served before."""
    before = ask(site, "/status")["model"]["version"]
    yield
    if ask(site, "/status")["model"]["version"] != before:
        ask(site, "/models/rollback", {"reason": "a test is over"})


@pytest.mark.usefixtures("as_before")
def test_a_training_is_asked_for_and_followed_to_its_verdict(train: Page, site: Site) -> None:
    train.get_by_label("Why").fill("foxes at the gate")
    train.get_by_label("If new are at least").fill("0")
    train.get_by_role("button", name="Train", exact=True).click()
    run = train.locator(".run")
    expect(run.get_by_role("heading", level=2)).to_have_text("Under way: foxes at the gate")
    train.get_by_role("button", name="under way").click()
    expect(run.get_by_role("heading", level=2)).to_be_focused()
    # While one is under way, none can be asked for.
    expect(train.get_by_role("button", name="Train", exact=True)).to_have_count(0)
    expect(run.locator(".stages li[aria-current=step]")).to_have_text(
        "Fitting", timeout=TRAINING_MS
    )
    expect(run.locator(".tried tbody tr").first).to_be_visible(timeout=TRAINING_MS)
    share = run.get_by_role("progressbar", name="Progress")
    assert 0 < float(share.evaluate("bar => bar.value")) < 1
    expect(run.get_by_role("heading", level=2)).to_have_text(
        "The latest training: foxes at the gate", timeout=TRAINING_MS
    )
    (latest, *_) = ask(site, "/retrain")["runs"]
    found = ask(site, f"/retrain/{latest['run']}")
    assert latest["state"] in ("promoted", "rejected"), found["error"]
    gates = run.locator(".gates li")
    expect(gates).to_have_count(len(found["gates"]))
    for shown, gate in zip(gates.all(), found["gates"], strict=True):
        expect(shown).to_contain_text(gate["detail"])
        expect(shown).to_contain_text("passed" if gate["passed"] else "refused")
    expect(run.locator(".curves .chart canvas")).to_be_visible()
    expect(run).to_contain_text("No review has been learnt from.")
    expect(run).to_contain_text(found["metrics"]["projection"]["sentence"])
    first = train.locator("table", has_text="Outcome").locator("tbody tr").first
    expect(first).to_contain_text("foxes at the gate")
    # What it made is a click away.
    first.get_by_role("link", name=latest["version"]).click()
    expect(train.locator(".compare")).to_contain_text(latest["version"])
