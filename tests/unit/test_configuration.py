from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import REPOSITORY
from earshot.application import Application
from earshot.errors import BadApplication, BadSettings
from earshot.settings import Settings

from infra.local.endpoint import environment

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "EARSHOT_RECORDINGS_BUCKET": "recordings",
    "EARSHOT_ARTIFACTS_BUCKET": "artifacts",
    "EARSHOT_TABLE": "table",
    "EARSHOT_EVENT_BUS": "bus",
    "EARSHOT_APPLICATION": "/opt/earshot/applications/birds.toml",
    "EARSHOT_DEFAULT_BUNDLE": "/opt/earshot/bundles/birds",
    "EARSHOT_RETRAIN_THRESHOLD": "100",
    "EARSHOT_RELOAD_S": "30",
}


def test_settings_are_read_from_the_environment() -> None:
    settings = Settings.from_environment(ENVIRONMENT)
    assert settings.retrain_threshold == 100
    assert settings.reload_s == 30
    assert settings.application.name == "birds.toml"


def test_a_deployment_may_choose_its_backbone() -> None:
    assert not Settings.from_environment(ENVIRONMENT).backbone
    chosen = Settings.from_environment(ENVIRONMENT | {"EARSHOT_BACKBONE": "mn04"})
    assert chosen.backbone == "mn04"


def test_how_a_challenger_comes_into_service_need_not_be_said() -> None:
    plain = Settings.from_environment(ENVIRONMENT)
    assert (plain.shadow_predictions, plain.shadow_share) == (0, 0.1)
    assert plain.automatic_rollback
    told = Settings.from_environment(
        ENVIRONMENT
        | {
            "EARSHOT_SHADOW_PREDICTIONS": "500",
            "EARSHOT_SHADOW_SHARE": "0.5",
            "EARSHOT_AUTOMATIC_ROLLBACK": "off",
        }
    )
    assert (told.shadow_predictions, told.shadow_share) == (500, 0.5)
    assert not told.automatic_rollback


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("SHADOW_PREDICTIONS", value) for value in ("", "-1", "2.5", "many")),
        *(("SHADOW_SHARE", value) for value in ("", "0", "1.1", "nan", "all")),
        *(("AUTOMATIC_ROLLBACK", value) for value in ("", "true", "ON")),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"EARSHOT_{name}"):
        Settings.from_environment(ENVIRONMENT | {f"EARSHOT_{name}": value})


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(BadSettings, match=name):
        Settings.from_environment({k: v for k, v in ENVIRONMENT.items() if k != name})


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf", "2.5", ""])
def test_a_threshold_that_makes_no_sense_is_refused(value: str) -> None:
    with pytest.raises(BadSettings, match="EARSHOT_RETRAIN_THRESHOLD"):
        Settings.from_environment(ENVIRONMENT | {"EARSHOT_RETRAIN_THRESHOLD": value})


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "infra" / "applications").glob("*.toml")), ids=lambda p: p.stem
)
def test_every_application_that_is_shipped_loads(path: Path) -> None:
    application = Application.load(path)
    assert application.name == path.stem
    assert set(application.alert_labels) <= set(application.labels)


GOOD = 'labels = ["a", "b"]\nsample_rate = 16000\nwindow_s = 4.0\nhop_s = 4.0\nbackbone = "m"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("labels = [", "not valid TOML"),
        (GOOD + "colour = 1", "colour"),
        (GOOD.replace('["a", "b"]', '["a", "a"]'), "twice"),
        (GOOD + 'alert_labels = ["c"]', "alert_labels"),
        (GOOD.replace("hop_s = 4.0", "hop_s = 5.0"), "hop_s"),
        (GOOD.replace("sample_rate = 16000", ""), "sample_rate"),
        (GOOD.replace('["a", "b"]', '["a"]'), "fewer than two labels"),
        (GOOD + "min_recordings = 1", "min_recordings"),
        (GOOD + '[descriptions]\nc = "?"', "descriptions"),
    ],
)
def test_a_wrong_application_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadApplication, match=says):
        Application.load(path)


def test_a_local_stack_hears_nothing_of_a_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT_REGION", "SESSION_TOKEN", "PROFILE", "ENDPOINT_URL_S3"):
        monkeypatch.setenv(f"AWS_{name}", "real")
    aws = {k: v for k, v in environment("http://127.0.0.1:1").items() if k.startswith("AWS_")}
    assert aws == {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    assert environment(None)["AWS_PROFILE"] == "real"


def test_a_missing_application_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadApplication, match="no application file"):
        Application.load(tmp_path / "none.toml")
