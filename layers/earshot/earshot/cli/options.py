"""Options that several commands have."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Endpoint = Annotated[
    str | None,
    typer.Option(envvar="AWS_ENDPOINT_URL", help="http://127.0.0.1:4566 is the local stack."),
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="So many at a time.")]


class Form(StrEnum):
    """The names of FORMATS, in which detections are written down."""

    JSON = "json"
    CSV = "csv"
    RAVEN = "raven"
    AUDACITY = "audacity"


def s3(endpoint_url: str | None) -> S3Client:
    """A client of S3 at an address; None for AWS itself."""
    import boto3

    _sign_locally(endpoint_url)
    return boto3.client("s3", endpoint_url=endpoint_url)


def dynamodb(endpoint_url: str | None) -> DynamoDBClient:
    """A client of DynamoDB at an address; None for AWS itself."""
    import boto3

    _sign_locally(endpoint_url)
    return boto3.client("dynamodb", endpoint_url=endpoint_url)


def sqs(endpoint_url: str | None) -> SQSClient:
    """A client of SQS at an address; None for AWS itself."""
    import boto3

    _sign_locally(endpoint_url)
    return boto3.client("sqs", endpoint_url=endpoint_url)


def _sign_locally(endpoint_url: str | None) -> None:
    # The local stack looks at no credentials, but boto3 will not sign without any.
    if urlsplit(endpoint_url or "").hostname in ("127.0.0.1", "localhost"):
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
