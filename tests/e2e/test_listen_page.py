"""The page Listen: real sounds in, what the API says of them out, to look at and to listen to."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsing import PATIENCE_MS, Site, drawn, give
from conftest import clip, encode, tape
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)


def ask(site: Site, path: str, body: bytes | None = None) -> Any:
    headers = {"Content-Type": "audio/wav"} if body else {}
    request = urllib.request.Request(site.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def listen(page: Page, site: Site) -> Page:
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Listen")
    return page


def shown_percent(text: str) -> float:
    return float(text.strip("<>%")) / 100


def test_a_file_is_heard_as_the_api_hears_it(listen: Page, site: Site) -> None:
    recording = tape()
    said = ask(site, "/predict", recording)
    give(listen, "night.wav", recording)
    verdict = listen.locator(".verdict")
    expect(verdict.get_by_role("heading")).to_have_text(said["label"])
    expect(verdict.locator(".badge")).to_have_text(said["decision"])
    bars = listen.locator(".bars li")
    expect(bars).to_have_count(len(said["top"]))
    for bar, top in zip(bars.all(), said["top"], strict=True):
        label, figure = bar.locator(".what, .figure").all_inner_texts()
        assert label == top["label"]
        assert shown_percent(figure) == pytest.approx(top["confidence"], abs=0.0011)
    rows = listen.locator(".stretches tbody tr")
    expect(rows).to_have_count(len(said["segments"]))
    for row, segment in zip(rows.all(), said["segments"], strict=True):
        expect(row).to_contain_text(segment["label"])
        expect(row).to_contain_text(f"{segment['start_s']:g}\u2013{segment['end_s']:g} s")
    expect(listen.locator(".about")).to_contain_text(said["model_version"])
    # A shot in the middle counts, whatever the whole is.
    expect(verdict.locator(".notable")).to_contain_text("gunshot")


def test_what_is_like_nothing_learnt_is_told_so(listen: Page, site: Site) -> None:
    odd = encode(0.5 * np.sin(2 * np.pi * 1_000 * np.arange(64_000) / 16_000), 16_000)
    said = ask(site, "/predict", odd)
    (threshold,) = (
        one["threshold"]
        for one in ask(site, "/classes")["classes"]
        if one["label"] == said["label"]
    )
    assert said["decision"] == "uncertain"
    assert said["confidence"] > threshold
    give(listen, "odd.wav", odd)
    expect(listen.locator(".verdict")).to_contain_text("unlike what the model has learnt from")


def test_bands_lie_where_their_stretches_are(listen: Page) -> None:
    give(listen, "night.wav", tape())
    drawn(listen)
    stage = listen.locator(".stage").bounding_box()
    band = listen.locator(".band", has_text="siren").bounding_box()
    assert stage
    assert band
    assert (band["x"] - stage["x"]) / stage["width"] == pytest.approx(8 / 36, abs=0.005)
    assert band["width"] / stage["width"] == pytest.approx(8 / 36, abs=0.005)


def test_the_spectrogram_shows_what_sounds_where(listen: Page) -> None:
    """A tone of 1 kHz in the second half: its pixels are the darkest of the picture."""
    rate = 16_000
    time = np.arange(4 * rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * time) * (time >= 2)
    give(listen, "tone.wav", encode(tone, rate, subtype="PCM_16"))
    drawn(listen)
    # As JavaScript sees it: how dark, in a grid of 16 rows and 8 columns, the highest row first.
    grid = listen.locator(".picture canvas").first.evaluate(
        """canvas => {
          const {width, height} = canvas;
          const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
          return Array.from({length: 16}, (_, r) => Array.from({length: 8}, (_, c) => {
            let least = 255;
            for (let y = Math.floor(r * height / 16); y < Math.floor((r + 1) * height / 16); y++)
              for (let x = Math.floor((c + .3) * width / 8); x < (c + .7) * width / 8; x++)
                least = Math.min(least, data[4 * (y * width + x) + 1]);
            return least;
          }));
        }"""
    )
    found = np.array(grid)
    mel = 2595 * np.log10(1 + np.array([1_000, 8_000]) / 700)
    row = int(16 * (1 - mel[0] / mel[1]))
    assert np.unravel_index(found.argmin(), found.shape)[0] == row
    assert found[row, 4:].max() < 40
    assert found[:, :4].min() > 200


def test_a_click_plays_from_there(listen: Page) -> None:
    give(listen, "night.wav", tape())
    drawn(listen)
    stage = listen.get_by_role("slider", name="Position in night.wav")
    box = stage.bounding_box()
    assert box
    stage.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(listen.get_by_role("button", name="Pause night.wav")).to_be_visible()
    expect(stage).to_have_attribute("aria-valuetext", re.compile(r"^(18|19|2\d)(\.\d)? s of 36 s$"))
    listen.get_by_role("button", name="Pause night.wav").click()
    expect(listen.get_by_role("button", name="Play night.wav")).to_be_visible()


def test_who_scrolls_past_a_sound_with_a_finger_does_not_play_it(listen: Page) -> None:
    give(listen, "night.wav", tape())
    drawn(listen)
    stage = listen.get_by_role("slider", name="Position in night.wav")
    stage.dispatch_event("pointerdown", {"pointerType": "touch"})
    # The browser takes the finger for itself: a click never comes.
    stage.dispatch_event("pointercancel", {"pointerType": "touch"})
    stage.press("End")
    expect(stage).to_have_attribute("aria-valuenow", "36.00")
    expect(listen.get_by_role("button", name="Play night.wav")).to_be_visible()


def test_a_stretch_is_played_to_its_end(listen: Page) -> None:
    rate = 16_000
    give(listen, "short.wav", encode(0.1 * np.sin(np.arange(rate // 2)), rate, subtype="PCM_16"))
    listen.get_by_role("button", name=re.compile("^Play .*, 0\u20130.5 s$")).click()
    stage = listen.get_by_role("slider", name="Position in short.wav")
    expect(stage).to_have_attribute("aria-valuetext", "0.50 s of 0.50 s")
    expect(listen.get_by_role("button", name="Play short.wav")).to_be_visible()


def test_keys_steer_the_sound(listen: Page) -> None:
    give(listen, "night.wav", tape())
    drawn(listen)
    stage = listen.get_by_role("slider", name="Position in night.wav")
    stage.focus()
    stage.press("ArrowRight")
    expect(stage).to_have_attribute("aria-valuenow", "0.90")
    stage.press("PageUp")
    stage.press("ArrowLeft")
    expect(stage).to_have_attribute("aria-valuenow", "4.50")
    stage.press("Home")
    expect(stage).to_have_attribute("aria-valuenow", "0.00")
    stage.press("Space")
    expect(listen.get_by_role("button", name="Pause night.wav")).to_be_visible()
    stage.press("Space")
    expect(listen.get_by_role("button", name="Play night.wav")).to_be_visible()


def test_a_built_in_sound_is_one_button_away(listen: Page) -> None:
    listen.get_by_role("button", name="siren", exact=True).click()
    expect(listen.locator(".verdict").get_by_role("heading")).to_have_text("siren")
    expect(listen.locator(".verdict")).to_contain_text("Of police")
    expect(listen.locator("#live")).to_have_text(re.compile(r"^siren, .*%, accepted"))
    # And it is still there after a look at another page.
    listen.get_by_role("link", name="Labels").click()
    listen.get_by_role("link", name="Listen", exact=True).click()
    expect(listen.locator(".verdict").get_by_role("heading")).to_have_text("siren")


def test_why_is_shown_over_the_spectrogram(listen: Page) -> None:
    listen.get_by_role("button", name="siren", exact=True).click()
    listen.get_by_role("button", name="Show why").click()
    expect(listen.locator(".why")).to_contain_text("siren hangs on what is left bright")
    cover = listen.get_by_role("img", name="What siren hangs on is left bright")
    # Somewhere the veil is lifted, somewhere not.
    alphas = cover.evaluate(
        "canvas => { const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width,"
        " canvas.height); const seen = data.filter((_, n) => n % 4 === 3).sort();"
        " return [seen[0], seen[seen.length - 1]]; }"
    )
    assert alphas[0] < 20
    assert alphas[1] > 190
    listen.get_by_role("button", name="Hide why").click()
    expect(cover).to_have_count(0)


def test_the_microphone_is_heard(listen: Page) -> None:
    listen.get_by_role("button", name="Record", exact=True).click()
    expect(listen.get_by_role("button", name=re.compile(r"Stop and listen · 2"))).to_be_visible()
    listen.get_by_role("button", name=re.compile("Stop and listen")).click()
    expect(listen.locator(".verdict").get_by_role("heading")).to_have_text("siren")
    drawn(listen)


def test_a_file_that_is_dropped_is_heard(listen: Page) -> None:
    transfer = listen.evaluate_handle(
        """bytes => { const made = new DataTransfer();
          made.items.add(new File([new Uint8Array(bytes)], "dropped.wav")); return made; }""",
        list(clip("gunshot")),
    )
    listen.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    expect(listen.locator(".intake.over")).to_be_visible()
    listen.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(listen.locator(".verdict").get_by_role("heading")).to_have_text("gunshot")


def test_what_is_too_large_goes_to_the_bucket(listen: Page, site: Site) -> None:
    rate = 16_000
    quiet = np.zeros(160 * rate, np.int16)
    give(listen, "long night.wav", encode(quiet, rate))
    expect(listen.get_by_role("heading", level=2)).to_have_text("long night.wav has 5.1 MB")
    listen.get_by_label("Site where it was made").fill("ridge")
    listen.get_by_role("button", name="Send as a field recording").click()
    expect(listen.get_by_text("It is there, as recordings/ridge/")).to_be_visible()
    stored = site.s3.list_objects_v2(Bucket="earshot-recordings", Prefix="recordings/ridge/")
    assert [one["Size"] for one in stored["Contents"]] == [len(encode(quiet, rate))]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"no sound at all, but some text " * 9, 415, "Send WAV, FLAC, OGG"),
        (encode(np.zeros(400), 16_000), 422, "at least 0.1 s are needed"),
        (clip("siren")[:-40_000], 422, "cut"),
    ],
)
def test_what_cannot_be_heard_is_said_in_words(
    listen: Page, faults: list[str], content: bytes, status: int, words: str
) -> None:
    give(listen, "odd.wav", content)
    expect(listen.get_by_role("alert")).to_contain_text(words)
    # The same again would be refused again.
    expect(listen.get_by_role("alert")).to_contain_text("odd.wav")
    expect(listen.get_by_role("button", name="Try again")).to_have_count(0)
    # The browser's console tells of every refusal.
    assert [fault for fault in faults if str(status) in fault] == faults
    faults.clear()
    listen.get_by_role("button", name="siren", exact=True).click()
    expect(listen.locator(".verdict")).to_be_visible()
    expect(listen.get_by_role("alert")).to_have_count(0)


def test_one_goes_on_with_a_sound_to_its_like_and_to_teaching_it(listen: Page, site: Site) -> None:
    give(listen, "night.wav", clip("siren"))
    listen.get_by_role("button", name="Find more like this").click()
    expect(listen.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    expect(listen.get_by_role("heading", name=re.compile("Like night.wav|Nothing"))).to_be_visible()
    listen.goto(f"{site.url}/#/listen")
    listen.get_by_role("button", name="Teach what it is").click()
    expect(listen.locator(".staged")).to_contain_text("1 clip")
    listen.locator(".chips").get_by_text("siren").click()
    expect(listen.get_by_role("button", name="Teach 1 clip as siren")).to_be_visible()
    # What was left there is not there again, and our own sketches are nothing to learn from.
    listen.goto(f"{site.url}/#/listen")
    listen.get_by_role("button", name="siren", exact=True).click()
    expect(listen.locator(".sound .name")).to_have_text("our siren")
    expect(listen.locator(".verdict")).to_be_visible()
    expect(listen.get_by_role("button", name="Teach what it is")).to_have_count(0)
    listen.goto(f"{site.url}/#/train")
    expect(listen.get_by_role("heading", name="Teach it")).to_be_visible()
    expect(listen.locator(".staged")).to_have_count(0)


def test_a_name_is_never_more_than_text(listen: Page) -> None:
    give(listen, "<img src=x onerror=alert(1)>.wav", clip("siren"))
    expect(listen.locator(".sound .name")).to_have_text("<img src=x onerror=alert(1)>.wav")
    expect(listen.locator("main img")).to_have_count(0)


def test_a_server_that_is_gone_is_waited_for(listen: Page, faults: list[str], site: Site) -> None:
    listen.route(f"{site.url}/predict*", lambda route: route.abort())
    give(listen, "siren.wav", clip("siren"))
    expect(listen.get_by_role("alert")).to_contain_text("Earshot does not answer")
    listen.unroute(f"{site.url}/predict*")
    listen.get_by_role("button", name="Try again").click()
    expect(listen.locator(".verdict").get_by_role("heading")).to_have_text("siren")
    assert all("ERR_FAILED" in fault for fault in faults)
    faults.clear()
