"""The predict function's app behind uvicorn, where API Gateway and Lambda are in the cloud."""

from __future__ import annotations

import argparse

import uvicorn

from infra.local.endpoint import end_with_parent


def main() -> None:
    """Serve on loopback until terminated, or until the parent is gone."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.api")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    if options.with_parent:
        end_with_parent()
    uvicorn.run("predict.handler:app", host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
