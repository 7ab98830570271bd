"""The page Recordings: sent, heard, looked at on a timeline, listened to, downloaded."""

from __future__ import annotations

import json
import struct
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PATIENCE_MS, Site, drawn, grave, visit, watched
from conftest import tape
from onemachine import until
from playwright.sync_api import expect
from tour import SIZES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

NAME = "20261121_060000.WAV"


def ask(site: Site, path: str) -> Any:
    with urllib.request.urlopen(site.url + path, timeout=60) as answer:
        return json.load(answer)


def test_a_recording_is_sent_for_a_site_and_heard(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/#/recordings")
    expect(page.get_by_text("There is no recording yet")).to_be_visible()
    send = page.get_by_role("button", name="Send")
    expect(send).to_be_disabled()
    file = {"name": NAME, "mimeType": "audio/wav", "buffer": tape()}
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Site where they were made").fill("ridge")
    send.click()
    expect(page.locator(".on-the-way")).to_contain_text("sent")
    there = page.get_by_role("region", name="Site ridge")
    expect(there).to_contain_text("1 recording")
    line = there.get_by_role("listitem")
    expect(line.locator(".tally")).to_have_text(["gunshot 1", "siren 1"])
    expect(line).to_contain_text("36 s")
    expect(line).to_contain_text("21 Nov")


@pytest.fixture(scope="module")
def heard(site: Site) -> str:
    """A recording of another site that is heard."""
    site.s3.put_object(Bucket="earshot-recordings", Key=f"recordings/gorge/{NAME}", Body=tape())

    def look() -> Any:
        found = ask(site, "/recordings?site=gorge")["recordings"]
        return found and found[0]["state"] == "analysed" and found[0]["recording"]

    return str(until(look, "the analysis"))


def test_its_detections_are_told_at_their_true_time(page: Page, site: Site, heard: str) -> None:
    page.goto(f"{site.url}/#/recordings/{heard}")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.locator(".field-notes")).to_contain_text("says the file's name")
    expect(page.locator(".timeline .window")).to_have_text("06:00:00 \u2013 06:00:36")
    rows = page.get_by_role("list", name="Detections").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("06:00:08")
    expect(rows.nth(0)).to_contain_text("siren")
    expect(rows.nth(1)).to_contain_text("06:00:20")
    expect(rows.nth(1)).to_contain_text("gunshot")


def test_what_the_recorder_wrote_down_is_shown(page: Page, site: Site) -> None:
    said = (
        "Recorded at 19:17:30 20/02/2021 (UTC) by AudioMoth 249BC30461CBB1E6 at medium gain while "
        "battery was 4.5V and temperature was 14.2C."
    )
    comment = b"ICMT" + struct.pack("<I", 384) + said.encode().ljust(384, b"\0")
    content = tape() + b"LIST" + struct.pack("<I", 4 + len(comment)) + b"INFO" + comment
    whole = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    site.s3.put_object(Bucket="earshot-recordings", Key="recordings/moor/a.WAV", Body=whole)
    page.goto(f"{site.url}/#/recordings?site=moor")
    page.get_by_role("link", name="a.WAV").click()
    notes = page.locator(".field-notes > div")
    for fact in (
        "Starts20 Feb 2021, 19:17:30 says AudioMoth's comment",
        "RecorderAudioMoth 249BC30461CBB1E6",
        "Temperature14.2 °C",
        "Battery4.5 V",
    ):
        expect(notes.filter(has_text=fact)).to_have_count(1)


def test_the_timeline_has_each_detection_in_its_lane(page: Page, site: Site, heard: str) -> None:
    page.goto(f"{site.url}/#/recordings/{heard}")
    canvas = page.locator(".timeline canvas")
    expect(canvas).to_have_attribute(
        "aria-label", "Timeline: 2 detections of gunshot, siren in 36 s. The list has each."
    )
    box = canvas.bounding_box()
    assert box
    # The siren's lane is the lower one; it sounds from 8 to 16 s of 36.
    lane = box["y"] + 45
    page.mouse.click(box["x"] + box["width"] * 30 / 36, lane)
    expect(page.locator(".heard .open")).to_have_count(0)
    page.mouse.click(box["x"] + box["width"] * 12 / 36, lane)
    expect(page.locator(".heard .open")).to_contain_text("siren")
    drawn(page)
    expect(page.get_by_role("button", name="Pause siren, 06:00:08")).to_be_visible()
    expect(page.locator(".clip .band")).to_have_text("siren")
    page.get_by_role("button", name="Listen to gunshot").click()
    expect(page.locator(".heard .open")).to_have_count(1)
    expect(page.locator(".heard .open")).to_contain_text("gunshot")


def test_a_mark_far_down_the_list_is_shown_as_well(page: Page, site: Site, heard: str) -> None:
    def long_night(route: Any) -> None:
        answer = route.fetch()
        first = answer.json()["detections"][0]
        found = [{**first, "start_s": 300 * n, "end_s": 300 * n + 200} for n in range(120)]
        route.fulfill(
            response=answer, json={**answer.json(), "detections": found, "duration_s": 36_000}
        )

    page.route("**/detections", long_night)
    page.goto(f"{site.url}/#/recordings/{heard}")
    rows = page.locator(".heard > li")
    expect(rows).to_have_count(50)
    box = page.locator(".timeline canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 33_100 / 36_000, box["y"] + 15)
    expect(page.locator(".heard .open")).to_be_in_viewport()
    drawn(page)


def test_one_can_look_closer_and_back(page: Page, site: Site, heard: str) -> None:
    page.goto(f"{site.url}/#/recordings/{heard}")
    window = page.locator(".timeline .window")
    rows = page.locator(".heard > li")
    page.get_by_role("button", name="Closer").click()
    expect(window).to_have_text("06:00:09 \u2013 06:00:27")
    page.get_by_role("button", name="Later").click()
    expect(window).to_have_text("06:00:18 \u2013 06:00:36")
    expect(rows).to_have_count(1)
    expect(page.get_by_role("heading", name="1 of 2")).to_be_visible()
    page.get_by_role("button", name="Whole").click()
    expect(rows).to_have_count(2)


def test_the_filter_is_in_the_address_and_in_what_is_downloaded(
    page: Page, site: Site, heard: str
) -> None:
    page.goto(f"{site.url}/#/recordings/{heard}")
    page.get_by_role("button", name="siren").first.click()
    rows = page.locator(".heard > li")
    expect(rows).to_have_count(1)
    assert "label=siren" in page.url
    page.reload()
    expect(rows).to_have_count(1)
    told = {}
    for name in ("CSV", "JSON", "Raven", "Audacity"):
        with page.expect_download() as downloading:
            page.get_by_role("button", name=name).click()
        content = downloading.value.path().read_text()
        told[downloading.value.suggested_filename] = "siren" in content, "gunshot," in content
    assert told == {
        "20261121_060000.csv": (True, False),
        "20261121_060000.json": (True, False),
        "20261121_060000.Table.1.selections.txt": (True, False),
        "20261121_060000.labels.txt": (True, False),
    }
    least = page.get_by_label("Confidence from")
    page.get_by_role("button", name="siren").first.click()
    surest = ask(site, f"/recordings/{heard}/detections")["detections"]
    least.fill("0.99")
    expect(rows).to_have_count(sum(one["peak_confidence"] >= 0.99 for one in surest))


def test_detections_of_all_recordings_are_asked_for_by_label_and_site(
    page: Page, site: Site, heard: str
) -> None:
    page.goto(f"{site.url}/#/recordings")
    page.get_by_role("region", name="Site gorge").get_by_role(
        "link", name="Detections here"
    ).click()
    rows = page.locator(".heard > li")
    expect(rows).to_have_count(2)
    # The latest first.
    expect(rows.first).to_contain_text("gunshot")
    page.get_by_label("Label").select_option("siren")
    expect(rows).to_have_count(1)
    assert "label=siren" in page.url
    assert "site=gorge" in page.url
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download as CSV").click()
    head, row = downloading.value.path().read_text().splitlines()
    assert head.startswith("at,site,label,peak_confidence")
    assert ",gorge,siren," in row
    rows.get_by_role("button", name="Listen to siren").click()
    drawn(page)
    rows.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    page.goto(f"{site.url}/#/recordings/detections?label=siren&site=nowhere")
    expect(page.get_by_text("Nothing like it was heard")).to_be_visible()


def test_who_has_gone_on_is_not_brought_back(page: Page, site: Site) -> None:
    keep = """async (id) => {
      (await import("/web/0/links.js")).keep("recordings", [id], { label: "siren" });
    }"""
    page.goto(f"{site.url}/#/labels")
    page.evaluate(keep, "0123456789abcdef")
    assert page.url.endswith("#/labels")
    page.evaluate("history.replaceState(null, '', '#/recordings/0123456789abcdef?least=0.5')")
    page.evaluate(keep, "0123456789abcdef")
    assert page.url.endswith("#/recordings/0123456789abcdef?label=siren")


def test_what_is_refused_says_why(page: Page, site: Site) -> None:
    site.s3.put_object(
        Bucket="earshot-recordings", Key="recordings/gorge/notes.wav", Body=b"not audio"
    )
    page.goto(f"{site.url}/#/recordings?site=gorge")
    line = page.get_by_role("listitem").filter(has_text="notes.wav")
    expect(line).to_contain_text("refused")
    expect(line).to_contain_text("not audio that Earshot reads")
    line.get_by_role("link").click()
    expect(page.get_by_text("not audio that Earshot reads")).to_be_visible()


def test_one_that_is_heard_right_now_tells_how_far(page: Page, site: Site, heard: str) -> None:
    one = ask(site, f"/recordings/{heard}")
    halfway = {**one, "state": "analysing", "progress": 0.42, "detections": {}}
    answer = {"recordings": [halfway], "next": None}
    page.route("**/recordings?*", lambda route: route.fulfill(json=answer))
    page.goto(f"{site.url}/#/recordings")
    line = page.get_by_role("region", name="Site gorge").get_by_role("listitem")
    expect(line).to_contain_text("42% is heard")
    expect(line.get_by_role("progressbar")).to_have_attribute("value", "0.42")
    answer["recordings"] = [one]
    # By itself.
    expect(line.locator(".tally")).to_have_count(2)


def test_a_recording_that_is_not_there_is_told_so(
    page: Page, site: Site, faults: list[str]
) -> None:
    page.goto(f"{site.url}/#/recordings/0123456789abcdef")
    expect(page.get_by_role("alert")).to_contain_text("There is no recording")
    assert [fault for fault in faults if "404" not in fault] == []
    faults.clear()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_what_is_behind_the_list(
    browser: Browser, site: Site, heard: str, scheme: str, size: str
) -> None:
    faults: list[str] = []
    with visit(browser, viewport=SIZES[size], color_scheme=scheme) as context:
        page = watched(context.new_page(), faults)
        for place in (heard, "detections?label=siren"):
            page.goto(f"{site.url}/#/recordings/{place}")
            page.get_by_role("button", name="Listen to siren").first.click()
            drawn(page)
            assert grave(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
