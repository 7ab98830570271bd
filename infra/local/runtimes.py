"""The API in Lambda's own runtime, behind an HTTP API.

``python -m infra.local.runtimes --port 8080 --count 2`` is an HTTP API in front of two of predict's
execution environments (rie.py): the stack on an emulated AWS of its own, or on ``--endpoint-url``,
without tokens. A request waits for a free one, where Lambda would start another. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import boto3
import uvicorn

from infra.local import artefacts, endpoint, stack
from infra.local.gateway import Gateway
from infra.local.rie import Unavailable, runtime


def deploy(url: str) -> stack.Stack:
    """The stack on an AWS endpoint; its API asks for no tokens, as behind API Gateway's IAM."""
    session = boto3.Session("local", "local", region_name=endpoint.REGION)
    return stack.deploy(
        endpoint.REPOSITORY / "template.yaml",
        {"NamePrefix": "earshot", "ApiAccess": "signed"},
        session.client("cloudformation", endpoint_url=url),
        session.client("s3", endpoint_url=url),
    )


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.runtimes")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--count", type=int, default=1, help="how many execution environments")
    parser.add_argument("--endpoint-url", help="an AWS emulator; one of its own if not given")
    parser.add_argument("--log", type=Path, help="what the functions write; nowhere if not given")
    options = parser.parse_args()
    with ExitStack() as children:
        url = options.endpoint_url or children.enter_context(endpoint.emulator())
        log = children.enter_context((options.log or Path(os.devnull)).open("ab"))
        predict = deploy(url).functions["PredictFunction"]
        surroundings = endpoint.environment(url)
        try:
            pool = [
                children.enter_context(runtime(predict, surroundings, log))
                for _ in range(options.count)
            ]
        except (Unavailable, artefacts.NotBuilt) as error:
            print(error, file=sys.stderr)
            return 1
        # uvicorn gives the signal on when it has finished: all of this ends in its order.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        print(f"{options.count} behind http://127.0.0.1:{options.port}; AWS at {url}", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.run(
                Gateway(pool),
                port=options.port,
                lifespan="off",
                log_level="warning",
                access_log=False,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
