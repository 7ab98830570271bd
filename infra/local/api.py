"""The predict function's app behind uvicorn, where API Gateway and Lambda are in the cloud.

What the function imports takes longest at a start, so this process is started first and told the
function's environment when the stack is there: as one line of JSON on its standard input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

import uvicorn

import predict.app  # noqa: F401
from infra.local.endpoint import end_with_parent


def main() -> None:
    """Serve on loopback until terminated, or until the parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.api")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    line = sys.stdin.buffer.readline()
    if not line:
        return
    os.environ.update(json.loads(line))
    end_with_parent()
    # Without a configuration of its own, what uvicorn logs becomes lines like all others.
    uvicorn.run(
        "predict.handler:app",
        host="127.0.0.1",
        port=port,
        log_level="warning",
        log_config=None,
        # Whatever is installed beside it: the API has no web sockets.
        ws="none",
    )


if __name__ == "__main__":
    main()
