"""What a deployment costs: amounts counted again from the calls that the code makes."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import clip, tape
from earshot.cli import bills as of
from earshot.cli.bills import ARCHITECTURES, Assumed, Bills, Measured
from earshot.cli.prices import read_prices

import ingest.telemetry
import predict.telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Aws
    from earshot.services import Services
    from shell import Shell

REPOSITORY = Path(__file__).parents[2]
PRICES = read_prices()


def bills(architecture: of.Architecture = "x86_64", **measured: float) -> Bills:
    return Bills(PRICES, architecture, Measured(**measured), Assumed())


# --- what the code does -------------------------------------------------------------------------


class Meter:
    """Counts the calls of clients, and DynamoDB's units as AWS bills them."""

    def __init__(self, aws: Aws, clients: Iterable[Any]) -> None:
        self._aws = aws
        self.n: Counter[str] = Counter()
        for client in clients:
            client.meta.events.register("before-call", self._count)

    def _count(self, model: Any, params: Any, **_: Any) -> None:
        service, call = model.service_model.service_name, model.name
        if service == "s3":
            self.n["puts" if call.startswith(("Put", "List", "Upload")) else "gets"] += 1
        if service != "dynamodb":
            return
        body = json.loads(params["body"])
        if call in ("GetItem", "Query"):
            self.n["reads"] += 1
        elif call == "BatchGetItem":
            self.n["reads"] += sum(len(one["Keys"]) for one in body["RequestItems"].values())
        elif call == "TransactWriteItems":
            for action in body["TransactItems"]:
                self.n["writes"] += 2 * self._units(next(iter(action.values())))
        elif call == "BatchWriteItem":
            self.n["writes"] += sum(
                self._units(one["PutRequest"]) for some in body["RequestItems"].values()
                for one in some
            )  # fmt: skip
        elif call in ("PutItem", "UpdateItem", "DeleteItem"):
            self.n["writes"] += self._units(body)

    def _units(self, action: dict[str, Any]) -> int:
        """Kilobytes of the item that is written; of one that is changed, as it was before."""
        item = action.get("Item")
        if item is None:
            found = self._stored(action["Key"])
            item = found or action["Key"]
        return math.ceil(size(item) / 1024)

    def _stored(self, key: dict[str, Any]) -> dict[str, Any] | None:
        # Of the tallies alone, whose items grow: a call in a call would be counted as well.
        if not key["pk"]["S"].startswith("STATISTICS"):
            return None
        from moto.dynamodb.models import dynamodb_backends

        table = dynamodb_backends["123456789012"]["us-east-1"].tables["earshot"]
        there = table.items.get(key["pk"]["S"], {})
        item = there.get(key["sk"]["S"])
        return item.attrs_to_json() if item else None


def size(item: dict[str, Any]) -> int:
    """An item's bytes, as DynamoDB counts them; binary as base64 has it is a quarter less."""
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        total += len(name)
        if kind == "N":
            total += (len(str(content)) + 1) // 2 + 1
        elif kind == "B":
            total += len(content) * 3 // 4 if isinstance(content, str) else len(content)
        elif kind == "S":
            total += len(content.encode())
        else:
            total += len(json.dumps(content, default=str))
    return total


@pytest.fixture
def meter(aws: Aws, services: Services) -> Meter:
    import gc

    from botocore.client import BaseClient

    own = {id(client) for client in (aws.s3, aws.dynamodb, aws.events, aws.sqs)}
    return Meter(
        aws,
        [
            one
            for one in gc.get_objects()
            if issubclass(type(one), BaseClient) and id(one) not in own
        ],
    )


def test_a_prediction_is_one_write_of_what_is_billed(services: Services, meter: Meter) -> None:
    sound = clip("siren")
    services.classify(sound)
    # Until every slot of its writer's shards holds one.
    for _ in range(40):
        services.classify(sound)
    meter.n.clear()
    for _ in range(8):
        services.classify(sound)
    assert meter.n.keys() == {"writes"}
    assert 8 <= meter.n["writes"] <= 8 * of.PREDICTION_WRITES


def test_a_sample_is_billed_as_it_is_taken_in(aws: Aws, services: Services, meter: Meter) -> None:
    services.receive(aws.drop("samples/siren/first.wav", clip("siren", 1)))
    key = aws.drop("samples/siren/a.wav", clip("siren", 2))
    meter.n.clear()
    services.receive(key)
    assert meter.n["writes"] == of.SAMPLE_WRITES
    assert meter.n["reads"] <= of.SAMPLE_READS
    assert meter.n["gets"] == of.SAMPLE_GETS
    assert meter.n["puts"] == of.SAMPLE_PUTS


def test_a_recording_is_billed_no_less_than_it_takes(
    aws: Aws, services: Services, meter: Meter
) -> None:
    services.classify(clip("siren"))
    key = aws.drop("recordings/ridge/night.wav", tape())
    meter.n.clear()
    services.receive(key)
    found = services.analysis.recordings(None, 1)[0][0]
    detections = sum(found.detections.values())
    reviews = len(services.reviews.waiting(10))
    assert detections == 2
    billed = of.RECORDING_WRITES + detections * of.DETECTION_WRITES
    assert meter.n["writes"] <= billed + 6 * reviews
    assert meter.n["reads"] <= of.RECORDING_READS + detections
    assert meter.n["gets"] <= of.RECORDING_GETS + 1
    assert meter.n["puts"] <= of.RECORDING_PUTS + (detections + reviews) * of.DETECTION_PUTS + 4


def test_a_sweep_that_finds_nothing_is_billed_as_it_looks(services: Services, meter: Meter) -> None:
    services.sweep.run()
    meter.n.clear()
    services.sweep.run()
    assert meter.n["reads"] <= of.SWEEP_READS
    assert meter.n["writes"] == of.SWEEP_WRITES
    assert meter.n["puts"] == of.SWEEP_LISTS
    assert meter.n["gets"] <= of.SWEEP_GETS


def test_a_look_for_drift_is_billed_as_it_looks(services: Services, meter: Meter) -> None:
    services.statistics.totals()
    meter.n.clear()
    services.drift.watch()
    assert meter.n.keys() == {"reads"}
    assert meter.n["reads"] <= of.DRIFT_READS


def test_every_metric_is_billed() -> None:
    """Each is told by its service alone, or it would be several."""

    def named(text: str | None) -> set[str]:
        return set(re.findall(r"^``(\w+)``", text or "", re.MULTILINE))

    of_ingest = named(ingest.telemetry.__doc__) - {"Repaired"}
    assert len(named(predict.telemetry.__doc__)) + len(of_ingest) + 1 == of.METRICS


# --- what comes of it ---------------------------------------------------------------------------


def test_every_price_says_where_it_is_from_and_when() -> None:
    assert len(PRICES) >= 25
    for name, price in PRICES.items():
        assert price.usd > 0, name
        assert price.count >= 1, name
        assert price.source.startswith("https://aws.amazon.com/"), name
        assert price.as_of.year >= 2026, name
        assert price.by == "memory" or price.by.startswith("copy: https://"), name


def test_every_price_is_of_something_that_is_billed() -> None:
    for architecture in ARCHITECTURES:
        of_one = bills(architecture)
        drawn_up = [
            *(of_one.predictions(), of_one.samples(), of_one.hours(), of_one.training()),
            *(of_one.idle(), of_one.watched(), of_one.container(1)),
        ]
        billed = {line.price for bill in drawn_up for line in bill.lines}
        of_another = {name for name in PRICES if "." in name and not name.endswith(architecture)}
        assert billed == {price for name, price in PRICES.items() if name not in of_another}


def test_what_is_known_of_the_processors() -> None:
    """FACTS of AWS's own: arm64 costs a fifth less."""
    assert PRICES["lambda_time.x86_64"].usd == 0.0000166667
    assert PRICES["lambda_time.arm64"].usd == 0.0000133334
    for name in ("predictions", "samples", "hours", "training", "idle"):
        x86, arm = (getattr(bills(one), name)().usd for one in ARCHITECTURES)
        assert 0.7 * x86 < arm < x86


def test_a_bill_is_the_sum_of_its_parts() -> None:
    bill = bills(predict_ms=92, cold_start_ms=0).predictions(2e6)
    by_part = {line.what: line.usd for line in bill.lines}
    # 100 ms with DynamoDB's answer, at 1,769 MB; two units a write.
    assert by_part["predict, time"] == pytest.approx(2e6 * 0.1 * 1769 / 1024 * 0.0000166667)
    assert by_part["HTTP API"] == pytest.approx(2.0)
    assert by_part["the tally"] == pytest.approx(2.5)
    assert bill.usd == pytest.approx(sum(by_part.values()))


def test_what_every_account_has_free_is_told_apart() -> None:
    idle, busy = bills().idle(), bills().predictions(1e9)
    # Alarms beyond ten, images, the table: a quiet month is cheap, but not for nothing.
    assert 0 < idle.usd_at_least < 1.5 < idle.usd
    assert 0.95 * busy.usd < busy.usd_at_least < busy.usd


def test_what_is_slower_costs_more() -> None:
    quick, slow = bills(), bills(
        predict_ms=100, ingest_ms_per_clip=900, analysis_x_realtime=10, refit_s_100k=600
    )  # fmt: skip
    assert slow.predictions().usd > quick.predictions().usd
    assert slow.samples().usd > quick.samples().usd
    assert slow.hours().usd > quick.hours().usd
    assert slow.training().usd > quick.training().usd
    assert slow.idle().usd == quick.idle().usd


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("predict_ms", [1, 12, 50, 400])
def test_the_break_even_is_where_both_cost_the_same(
    architecture: of.Architecture, predict_ms: float
) -> None:
    both = bills(architecture, predict_ms=predict_ms)
    n = both.break_even()
    assert n is not None
    assert both.functions(n).usd == pytest.approx(both.container(n).usd, rel=1e-6)
    for less in (0.1, 0.5, 0.9):
        assert both.functions(less * n).usd < both.container(less * n).usd


def test_containers_never_win_when_they_would_have_to_stand_idle() -> None:
    lazy = Bills(PRICES, "x86_64", Measured(predict_ms=400), Assumed(container_load=0.05))
    assert lazy.break_even() is None
    assert lazy.functions(1e9).usd < lazy.container(1e9).usd


def test_the_command_takes_what_was_measured(earshot: Shell, tmp_path: Path) -> None:
    names = {
        "predict_ms": 10,
        "cold_start_ms": 900,
        "ingest_ms_per_clip": 20,
        "analysis_x_realtime": 1500,
        "refit_s_100k": 40,
    }
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(names | {"anything_else": "is passed over"}))
    told = earshot("cost", "--measured", file, "--predict-ms", "11", "--json").json
    assert told["measured"] == names | {"predict_ms": 11}
    assert told["usd"]["predictions"]["arm64"] < told["usd"]["predictions"]["x86_64"]
    assert "guesses" not in earshot("cost", "--measured", file).err
    assert "guesses" in earshot("cost", "--predict-ms", "11").err
    file.write_text('{"predict_ms": 10}')
    assert earshot("cost", "--measured", file).code == 2


def test_the_page_has_every_part_and_every_price(earshot: Shell) -> None:
    told = earshot("cost", "--markdown").out
    assert all(price.source in told for price in PRICES.values())
    for bill in (bills().predictions(), bills().hours(), bills().idle(1e5)):
        assert f"## {bill.title}" in told
        assert f"**{bill.usd:,.2f}**" in told


def test_the_repositorys_page_is_of_what_was_measured_last(earshot: Shell) -> None:
    bench = REPOSITORY / "docs" / "bench.json"
    given = ["--measured", bench] if bench.exists() else []
    assert (REPOSITORY / "docs" / "cost.md").read_text() == earshot(
        "cost", "--markdown", *given
    ).out  # fmt: skip
