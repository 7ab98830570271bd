"""`make page` says in a line what it lacks, and writes nothing where nobody asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import page


@pytest.mark.parametrize(
    ("api", "folder"),
    [
        ("", "out"),
        ("http://127.0.0.1:1", ""),
        ("http://127.0.0.1:1", "out"),
        ("127.0.0.1:8000", "out"),
    ],
)
def test_an_api_that_is_not_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    api: str,
    folder: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["page", api, folder])
    with pytest.raises(SystemExit) as ended:
        page.main()
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
