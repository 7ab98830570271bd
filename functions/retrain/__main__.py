"""The Batch entry: ``python -m retrain --run RUN``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import uuid

import boto3
from earshot.errors import EarshotError
from earshot.settings import Settings
from earshot.wiring import wire

from retrain.job import work


def main() -> int:
    """Do one run; 0 when it ended, also by refusal, or is another worker's."""
    parser = argparse.ArgumentParser(prog="retrain", description="Do one requested training run.")
    parser.add_argument("--run", required=True, help="the run that RetrainRequested names")
    run = parser.parse_args().run
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings.from_environment()
    services = wire(settings, boto3.client)
    # All attempts of one Batch job have one id, so an attempt can go on where another died.
    worker = os.environ.get("AWS_BATCH_JOB_ID") or str(uuid.uuid4())
    try:
        work(services, settings.default_bundle, run, worker)
    except EarshotError as error:
        logging.getLogger(__name__).error("%s: %s", error.code, error)
        return 0 if error.code == "retrain_in_progress" else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
