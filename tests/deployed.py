"""template.yaml's stack on an emulator, without what works there: the tests play the queue."""

from __future__ import annotations

import json
from functools import partial

from botocore.config import Config
from conftest import REPOSITORY, emulated
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire

from infra.local import stack


class Deployed:
    """The stack, and the use cases as one of its functions has them."""

    def __init__(self, url: str, function: str, threshold: int, connections: int) -> None:
        config = Config(max_pool_connections=connections, retries={"max_attempts": 1})
        client = partial(emulated, url, config=config)
        self.s3, self.dynamodb, self.sqs = client("s3"), client("dynamodb"), client("sqs")
        deployed = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot", "RetrainThreshold": str(threshold), "ApiAccess": "signed"},
            client("cloudformation"),
            self.s3,
        )
        self.jobs = deployed.jobs["RetrainJob"].queue_url
        self.services: Services = wire(
            Settings.from_environment(deployed.functions[function].environment), client
        )

    def requested(self) -> list[str]:
        """The runs that RetrainRequested events name, taken off the jobs' queue."""
        runs = []
        while messages := self.sqs.receive_message(QueueUrl=self.jobs, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                runs.append(json.loads(message["Body"])["detail"]["run"])
                self.sqs.delete_message(QueueUrl=self.jobs, ReceiptHandle=message["ReceiptHandle"])
        return runs

    def clear(self) -> None:
        """Empty the table."""
        table = "earshot"
        for item in self.dynamodb.scan(TableName=table)["Items"]:
            self.dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
        self.requested()
