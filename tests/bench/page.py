"""docs/bench.md and docs/bench.json, from the sections' figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Known = Mapping[str, Mapping[str, Any]]

INTRODUCTION = """# How fast it is

Made by `make bench`: do not edit. Medians with 95% intervals (bootstrap). What is compared was
measured in turns, in one run on one machine, so the ratios are what to go by: the machine did other
things as well. `load` is its load average over 1, 5 and 15 minutes."""

NAMES = {
    "ours": "Earshot",
    "uncounted": "Earshot, but for the write to the table",
    "bare": "the bare loop: decode and infer, no HTTP",
    "reference": "reference: FastAPI + librosa + Keras (MobileNetV2)",
    "bentoml": "BentoML with our own ONNX file",
}
MOST_REFITTED = "100000"
# What is to be reached.
LEAST_FOR_REFERENCE = 10
LEAST_FOR_BARE = 0.5
MOST_COLD = 1.5
MOST_MB = 250
LEAST_LONG = 1000
MOST_REFIT_S = 60


def figures(known: Known) -> dict[str, Any]:
    """What `earshot cost` reads, plain numbers, and all sections below ``sections``.

    ``predict_ms`` and ``ingest_ms_per_clip`` are the processor's time: what is waited for is
    priced by itself.
    """
    fits = known["refit"]["embeddings"]
    largest = fits[max(fits, key=int)]
    return {
        "predict_ms": known["warm"]["cpu_ms"]["ours"],
        "cold_start_ms": known["cold"]["ours_ms"]["median"],
        "ingest_ms_per_clip": known["ingest"]["cpu_ms"]["median"],
        "analysis_x_realtime": _noise(known)["times_real_time_cpu"],
        "refit_s_100k": largest["seconds"],
        "refit_peak_mb": largest["peak_mb"],
        "analysis_peak_mb": max(one["peak_rss_mb"] for one in known["long"]["files"]),
        "sections": {name: dict(found) for name, found in sorted(known.items())},
    }


def written(known: Known) -> str:
    """The page."""
    parts = (
        INTRODUCTION,
        _reached(known),
        _cold(known["cold"]),
        _warm(known["warm"]),
        _jobs(known),
        _sizes(known["sizes"]),
        _when(known),
    )
    return "\n\n".join(parts) + "\n"


def _reached(known: Known) -> str:
    warm, cold = known["warm"], known["cold"]
    fits = known["refit"]["embeddings"]
    largest = max(fits, key=int)
    image = known["sizes"]["mb"]["predict image, beside its base"]
    rows: list[tuple[str, str, str, bool]] = [
        (
            "cold start, of the floor",
            f"≤ {MOST_COLD}",
            _spread(cold["ratio"]),
            cold["ratio"]["median"] <= MOST_COLD,
        ),
        (
            "warm `/predict`, of the bare loop",
            f"≥ {LEAST_FOR_BARE}",
            _spread(warm["ratio"]["ours"]["bare"]),
            warm["ratio"]["ours"]["bare"]["median"] >= LEAST_FOR_BARE,
        ),
        (
            "the same without the write to the table",
            f"≥ {LEAST_FOR_BARE}",
            _spread(warm["ratio"]["uncounted"]["bare"]),
            warm["ratio"]["uncounted"]["bare"]["median"] >= LEAST_FOR_BARE,
        ),
    ]
    if found := warm["ratio"]["ours"].get("reference"):
        rows.append(
            (
                "warm `/predict`, of the reference",
                f"≥ {LEAST_FOR_REFERENCE}",
                _spread(found),
                found["median"] >= LEAST_FOR_REFERENCE,
            )
        )
    speed = _noise(known)["times_real_time_cpu"]
    rows += [
        (
            "an hour of noise, times real time by the processor",
            f"≥ {LEAST_LONG:,}",
            f"{speed:,}",
            speed >= LEAST_LONG,
        ),
        (
            f"fit of {int(largest):,} embeddings, s",
            f"≤ {MOST_REFIT_S}",
            str(fits[largest]["seconds"]),
            largest == MOST_REFITTED and fits[largest]["seconds"] <= MOST_REFIT_S,
        ),
        ("predict image beside its base, MB", f"≤ {MOST_MB}", str(image), image <= MOST_MB),
    ]
    return _table(
        ("what", "reach", "measured", ""),
        [(what, reach, found, "yes" if is_so else "**no**") for what, reach, found, is_so in rows],
    )


def _cold(cold: Mapping[str, Any]) -> str:
    text = (
        "## Cold start\n\nFrom the process's start to the first prediction answered, in Lambda's "
        "runtime (RIE, awslambdaric), against a process that only imports numpy, ONNX Runtime and "
        "boto3 and runs the model once. By the clock, and by the processor's time.\n\n"
    )
    return text + _table(
        ("ms", "Earshot", "floor", "ratio"),
        [
            ("clock", *(_spread(cold[one]) for one in ("ours_ms", "floor_ms", "ratio"))),
            (
                "processor",
                *(_spread(cold[one]) for one in ("ours_cpu_ms", "floor_cpu_ms", "cpu_ratio")),
            ),
        ],
    )


def _warm(warm: Mapping[str, Any]) -> str:
    text = (
        "## Warm predictions\n\nOne process each, 4 s of WAV in a form. Earshot logs, measures and "
        "writes each prediction to the table, of an AWS that is emulated on the same machine and "
        "has to be waited for; the others do none of it.\n\n"
    )
    four = warm["per_s_of_four_at_once"]
    rows = [
        (
            NAMES[name],
            _spread(found),
            _spread(four[name]) if name in four else "",
            *(str(warm["ms"].get(name, {}).get(one, "")) for one in ("p50", "p95", "p99")),
            str(warm["cpu_ms"][name]),
        )
        for name, found in warm["per_s"].items()
    ]
    heads = ("", "per s", "per s, four at once", "p50 ms", "p95 ms", "p99 ms", "processor ms")
    text += _table(heads, rows)
    crowd = warm["ratio_of_four_at_once"]
    ratios = [
        (
            NAMES[ours],
            NAMES[theirs],
            _spread(found),
            _spread(crowd[ours][theirs]) if theirs in crowd[ours] else "",
        )
        for ours, others in warm["ratio"].items()
        for theirs, found in others.items()
    ]
    text += "\n\n" + _table(("requests per second of", "over", "", "four at once"), ratios)
    for name, why in warm["missing"].items():
        text += f"\n\n{NAMES[name]} is missing: {why}"
    return text


def _jobs(known: Known) -> str:
    ingest, fits = known["ingest"], known["refit"]["embeddings"]
    clip = (
        f"## In the background\n\nA labelled clip of 4 s taken in: {_spread(ingest['cpu_ms'])} ms "
        f"of the processor, {_spread(ingest['wall_ms'])} ms by the clock with an emulated AWS.\n\n"
    )
    fitted = _table(
        ("embeddings", "fitted in s", "processor s", "peak MB"),
        [
            (f"{int(size):,}", *(str(one[key]) for key in ("seconds", "cpu_seconds", "peak_mb")))
            for size, one in fits.items()
        ],
    )
    heard = _table(
        ("recording", "hours", "times real time", "by the processor", "peak MB"),
        [
            (
                str(one["file"]),
                str(one["hours"]),
                f"{one['times_real_time']:,}",
                f"{one['times_real_time_cpu']:,}",
                str(one["peak_rss_mb"]),
            )
            for one in known["long"]["files"]
        ],
    )
    return f"{clip}{fitted}\n\n{heard}"


def _sizes(sizes: Mapping[str, Any]) -> str:
    rows = [*sizes["mb"].items(), *sizes["largest_of_predict"].items()]
    return "## Sizes\n\n" + _table(("what", "MB"), [(name, str(mb)) for name, mb in rows])


def _when(known: Known) -> str:
    rows = [
        (name, one["at"], ", ".join(map(str, one["load"])), one["machine"])
        for name, one in sorted(known.items())
    ]
    return "## When\n\n" + _table(("section", "at", "load", "machine"), rows)


def _noise(known: Known) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        one for one in known["long"]["files"] if one["file"] == "noise.wav"
    )
    return found


def _spread(found: Mapping[str, float]) -> str:
    return f"{found['median']:g} ({found['low']:g} to {found['high']:g})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
