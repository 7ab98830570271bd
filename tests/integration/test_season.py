"""The season of examples/, in short and with made-up sounds: what README promises of it."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
WEEKS = {"--weeks": "3", "--breaks": "1", "--spoilt": "3"}


@pytest.mark.timeout(900)
def test_a_broken_microphone_is_told_learnt_and_a_spoilt_version_taken_back(
    tmp_path: Path,
) -> None:
    played = subprocess.run(
        [
            *(sys.executable, "-m", "examples.season", "--out", str(tmp_path)),
            *(word for option in WEEKS.items() for word in option),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    happened = played.stdout.splitlines()

    def told(*words: str) -> list[int]:
        """The lines that say all of this."""
        return [n for n, line in enumerate(happened) if all(word in line for word in words)]

    broken, spoilt = told("Water comes into"), told("Max puts")
    drifted, learnt = told("What is heard at harbour"), told("harbour drifts", "promoted")
    taken_back = told("in-a-hurry is taken back", "It is unsure of")
    assert told("160 new samples reached the threshold", "promoted")
    assert broken[0] < drifted[0] < told("shadowing")[0] < learnt[0] < spoilt[0] < taken_back[0]
    assert not told("What is heard at market")
    assert not told("is taken back", "drifts")
    page = (tmp_path / "season.md").read_text()
    assert "| 3 |" in page
    assert "| 4 |" not in page
    assert all(line.partition("  ")[2].split("  ")[-1] in page for line in happened[:-1])
    for picture in ("hearing", "drift"):
        assert f"(season/{picture}.svg)" in page
        assert "</svg>" in (tmp_path / "season" / f"{picture}.svg").read_text()
