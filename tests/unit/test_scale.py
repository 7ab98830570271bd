"""The simulations of docs/scale.md: what they promise, and that they are of this code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Aws, clip
from earshot.cli.bills import Measured
from earshot.services import Services
from earshot.statistics import SHARDS, Statistics
from samtranslator.yaml_helper import yaml_parse

from infra import scale
from infra.scale import counted, hot_at, prediction_limits, sample_limits
from infra.simulation import TALLY_BYTES, WRITER_BYTES, count, drain

REPOSITORY = Path(__file__).parents[2]
FIGURES = Measured()


# --- counters -----------------------------------------------------------------------------------


def test_few_predictions_are_all_counted() -> None:
    assert count(10, 12).counted == 1
    assert count(1000, 240).counted == 1


def test_a_hot_key_takes_so_much_and_no_more() -> None:
    """Four times what sixteen keys take at two units each: a quarter, once nothing is saved."""
    hot = count(4 * 16 * 500, 1, seconds=20_000, shards=16)
    # All of one writer's go to its four tallies.
    assert hot.units == 2
    assert hot.counted == pytest.approx(4 * 500 / 32_000, abs=0.01)


def test_what_is_saved_up_carries_a_burst() -> None:
    burst, lasting = (count(12_000, 400, seconds=s).counted for s in (30, 3600))
    assert burst == 1
    assert lasting < 0.9


def test_more_shards_take_more() -> None:
    shares = [count(20_000, 1000, shards=n).counted for n in (4, 16, 64, 256)]
    assert shares == sorted(shares)
    assert shares[0] < 0.2 < shares[-1]


def test_an_item_that_is_too_large_takes_nothing() -> None:
    assert count(1, 200_000).counted == 0


def test_the_same_seed_is_the_same_answer() -> None:
    assert count(9000, 300, seed=3) == count(9000, 300, seed=3)
    assert drain(500, 40, 50, seed=3) == drain(500, 40, 50, seed=3)
    assert drain(500, 40, 50, seed=3) != drain(500, 40, 50, seed=4)


def test_an_item_is_as_large_as_it_is_said_to_be(aws: Aws, services: Services) -> None:
    """What the simulation takes for granted, of the items that the code writes."""

    def largest() -> int:
        items = aws.dynamodb.scan(TableName="earshot")["Items"]
        return max(
            sum(len(name) + len(str(next(iter(v.values())))) for name, v in item.items())
            for item in items
        )

    prediction = services.classify(clip("siren"))
    now = 1_795_219_200
    statistics = Statistics(aws.dynamodb, "earshot", lambda: now)
    for number in range(4 * 24):
        statistics.count(prediction, f"0c9f3a52-{number:027}")
        now += 900
    assert 0.75 * TALLY_BYTES < largest() <= 1.25 * TALLY_BYTES
    before = largest()
    # Each new process counts on four of sixteen.
    for _ in range(64):
        of_another = Statistics(aws.dynamodb, "earshot", lambda: now - 900)
        for _ in range(4):
            of_another.count_error(ValueError())
    grown = (largest() - before) / (64 * 4 / len(SHARDS))
    assert 0.5 * WRITER_BYTES < grown <= 1.6 * WRITER_BYTES


# --- the queue ----------------------------------------------------------------------------------


def test_one_worker_takes_one_clip_after_the_other() -> None:
    alone = drain(200, 1, 100, transaction_ms=10)
    assert alone.seconds == pytest.approx(200 * 0.110, rel=0.05)
    assert alone.gave_up == 0


def test_ten_workers_are_ten_times_as_quick() -> None:
    one, ten = (drain(2000, n, 100).clips_per_s for n in (1, 10))
    assert 8.5 < ten / one < 10.5


def test_no_more_than_a_count_takes_is_taken_in() -> None:
    """One shard is one transaction at a time, however many work."""
    crowd = drain(3000, 400, 20, transaction_ms=10, shards=1)
    assert crowd.clips_per_s <= 100
    assert crowd.gave_up > 0
    assert drain(3000, 5, 200, transaction_ms=10, shards=1).gave_up == 0


def test_nothing_waits_forever() -> None:
    assert drain(0, 10, 100).seconds == 0


# --- the page -----------------------------------------------------------------------------------


def test_limits_come_in_the_order_in_which_they_are_met() -> None:
    for limits in (prediction_limits(FIGURES), sample_limits(FIGURES)):
        assert [one.at for one in limits] == sorted(one.at for one in limits)
        assert all(one.setting for one in limits)


def test_the_first_limit_is_the_templates() -> None:
    template = yaml_parse((REPOSITORY / "template.yaml").read_text())
    assert prediction_limits(FIGURES)[0].at == template["Parameters"]["RateLimit"]["Default"]
    batch = yaml_parse((REPOSITORY / "infra" / "batch.yaml").read_text())
    job = batch["Resources"]["RetrainJob"]["Properties"]
    assert job["Timeout"]["AttemptDurationSeconds"] == scale.JOB_S
    assert int(template["Parameters"]["RetrainMemory"]["Default"]) << 20 == scale.JOB_BYTES
    sweep = template["Resources"]["SweepFunction"]["Properties"]
    assert sweep["Timeout"] == scale.SWEEP_S


def test_slower_predictions_meet_their_limits_sooner() -> None:
    slow = Measured(predict_ms=200, refit_s_100k=600)
    assert hot_at(slow) < hot_at(FIGURES)
    for limits in (prediction_limits, sample_limits):
        assert sum(one.at for one in limits(slow)) < sum(one.at for one in limits(FIGURES))


def test_tallies_are_hot_where_it_is_said() -> None:
    limit = hot_at(FIGURES)
    assert counted(0.7 * limit, FIGURES).counted == 1
    assert counted(1.6 * limit, FIGURES).counted < 1


def test_the_repositorys_page_is_what_is_simulated() -> None:
    page = (REPOSITORY / "docs" / "scale.md").read_text()
    assert page == scale.page(Measured.read(REPOSITORY / "docs" / "bench.json")) + "\n"
    for rate in ("10", "1,000", "100,000"):
        assert re.search(rf"^\| {rate} \|", page, re.MULTILINE)
    assert "| 100,000,000 |" in page
