"""Clients over what the predict image has of botocore: the same, but without its manual."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.loaders import Loader
from conftest import Aws

from infra.lean_botocore import thin_out

KEPT = {"dynamodb", "s3"}
WHOLE = Path(botocore.__file__).parent / "data"


def copied(data: Path) -> Path:
    """A part of botocore's data, which moto has not added to."""
    data.mkdir()
    for file in WHOLE.glob("*.json"):
        shutil.copy(file, data)
    for service in (*KEPT, "sqs"):
        shutil.copytree(WHOLE / service, data / service)
    return data


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    data = copied(tmp_path / "lean")
    thin_out(data, KEPT)
    return data


def client(name: str, data: Path) -> Any:
    session = botocore.session.get_session()
    session.register_component("data_loader", Loader([str(data)], None, None, False))
    return session.create_client(name, region_name="eu-central-1")


@pytest.mark.parametrize("service", sorted(KEPT))
def test_a_lean_client_is_the_same(tmp_path: Path, lean: Path, service: str) -> None:
    thin, whole = client(service, lean), client(service, copied(tmp_path / "whole"))
    assert thin.meta.endpoint_url == whole.meta.endpoint_url
    names = whole.meta.service_model.operation_names
    assert thin.meta.service_model.operation_names == names
    for name in names:
        ours, theirs = (
            one.meta.service_model.operation_model(name).input_shape for one in (thin, whole)
        )
        assert list(ours.members if ours else ()) == list(theirs.members if theirs else ())


def test_a_lean_client_works(aws: Aws, lean: Path) -> None:
    client("s3", lean).put_object(Bucket="recordings", Key="a", Body=b"sound")
    assert aws.s3.get_object(Bucket="recordings", Key="a")["Body"].read() == b"sound"
    with pytest.raises(botocore.exceptions.ParamValidationError):
        client("dynamodb", lean).get_item(TableName="earshot")


def test_what_is_not_kept_is_gone(lean: Path) -> None:
    with pytest.raises(botocore.exceptions.UnknownServiceError):
        client("sqs", lean)
    assert not list(lean.glob("*/*/service-2.json.gz"))
    with pytest.raises(FileNotFoundError, match="no sqs"):
        thin_out(lean, {"s3", "sqs"})
