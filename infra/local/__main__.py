"""The whole system on this machine: ``python -m infra.local``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earshot.application import Application
from earshot.errors import EarshotError
from rich.console import Console
from rich.logging import RichHandler

from infra.local import access, endpoint

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from infra.local.stack import Stack

# A model that was just promoted answers within so many seconds; in the cloud it is 30.
RELOAD_S = 2
# In the cloud the template says how often.
SWEEP_EVERY_S = 30
STOP_S = 20
AWS_ITSELF = "aws"
# Nobody makes metrics of these logs, and GET /metrics has the numbers.
QUIET = {"POWERTOOLS_METRICS_DISABLED": "true"}
APPLICATIONS = endpoint.REPOSITORY / "infra" / "applications"

console = Console(highlight=False)


@dataclass(frozen=True)
class Options:
    """The command line."""

    port: int
    aws_port: int
    data: Path
    application: str
    backbone: str
    threshold: int
    shadow: int
    workers: int
    auth: bool
    cors: str
    webhook: str
    demo: bool
    endpoint_url: str | None

    @property
    def aws(self) -> str | None:
        """The AWS endpoint; None for AWS itself."""
        if self.endpoint_url == AWS_ITSELF:
            return None
        return self.endpoint_url or f"http://127.0.0.1:{self.aws_port}"


@dataclass(frozen=True)
class Running:
    """What has been started."""

    processes: dict[str, subprocess.Popen[bytes]]
    stack: Stack
    token: str | None
    webhook_secret: str


def read_options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the API and the page")
    parser.add_argument("--aws-port", type=int, default=4566, help="of the emulated AWS")
    parser.add_argument("--data", type=Path, default=Path(".data"), help="what survives a stop")
    parser.add_argument("--application", default="surveillance")
    parser.add_argument("--backbone", default="", help="instead of the application's")
    parser.add_argument("--threshold", type=int, default=25, help="new samples start a training")
    parser.add_argument("--shadow", type=int, default=0, help="comparisons before a model serves")
    parser.add_argument("--workers", type=int, default=1, help="processes that ingest")
    parser.add_argument("--auth", action="store_true", help="the API asks for tokens")
    parser.add_argument("--cors", default="", help="origins of other pages that may call the API")
    parser.add_argument("--webhook", default="", help="where alerts are posted to, signed")
    parser.add_argument("--no-demo", dest="demo", action="store_false")
    parser.add_argument("--endpoint-url", help=f"LocalStack, for example; {AWS_ITSELF!r} for AWS")
    return Options(**vars(parser.parse_args()))


def main() -> int:
    """Start everything, show the loop on an empty data folder, serve until Ctrl-C."""
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=console)]
    )
    options = read_options()
    is_first_start = not options.data.exists() or not any(options.data.iterdir())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as children:
        try:
            application = Application.load(APPLICATIONS / f"{options.application}.toml")
            running = _start(options, children, stop)
        except (EarshotError, OSError, RuntimeError, TimeoutError) as error:
            console.print(f"[red]The local stack did not start:[/red] {error}")
            return 1
        bucket = running.stack.outputs["RecordingsBucketName"]
        _introduce(options, running, application)
        # Into somebody else's endpoint nothing is dropped unasked.
        if options.demo and is_first_start and not options.endpoint_url:
            import boto3

            from infra.local import demo

            api = f"http://127.0.0.1:{options.port}"
            shown = (console, api, running.token, boto3.client("s3"), bucket, stop)
            threading.Thread(
                target=demo.run, args=(*shown, options.application), daemon=True
            ).start()
        while not stop.wait(0.2):
            if dead := [
                name for name, child in running.processes.items() if child.poll() is not None
            ]:
                console.print(f"[red]{', '.join(dead)} ended; see {options.data}/logs.[/red]")
                return 1
        console.print("Stopping …")
    return 0


def _start(options: Options, children: ExitStack, stop: threading.Event) -> Running:
    """Start emulator, API, stack, ingest and jobs, in this order; stopped in the reverse one."""
    for port in (options.port, *(() if options.endpoint_url else (options.aws_port,))):
        _check_free(port)
    logs = options.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if not options.endpoint_url:
        _keep_to(options.application, options.data)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    surroundings = {**endpoint.environment(options.aws), **QUIET}
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        {name: value for name, value in surroundings.items() if name.startswith("AWS_")}
    )

    def run(
        name: str, module: str, arguments: list[str], variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (logs / f"{module.rpartition('.')[2]}.log").open("ab") as log:
            process = endpoint.start(
                module, arguments, {**surroundings, **(variables or {})}, log.fileno()
            )
        children.callback(endpoint.end, process)
        processes[name] = process
        return process

    if not options.endpoint_url:
        processes["the AWS emulator"] = endpoint.start_emulator(options.aws_port, options.data)
        children.callback(endpoint.end, processes["the AWS emulator"])
    api = run("the API", "infra.local.api", ["--port", str(options.port)])
    secret = access.webhook_secret(options.data / "webhook-secret") if options.webhook else ""
    stack = _deploy(options, secret, processes.get("the AWS emulator"))
    # On loopback it may stand open. Told here: a stack that was there before keeps its parameters.
    auth = {"EARSHOT_AUTH": "token" if options.auth else "off"}
    endpoint.tell(api, stack.functions["PredictFunction"].environment | auth)
    token = _token(options.data / "token", stack.outputs["TableName"]) if options.auth else None
    for function, arguments, variables in _pollers(stack):
        for number in range(options.workers):
            run(f"{function} {number + 1}", "infra.local.poller", arguments, variables)
    for arguments, variables in _timed(stack):
        every = [*arguments, "--every", str(SWEEP_EVERY_S), "--with-parent"]
        run("the sweep", "infra.local.sweep", every, variables)
    _start_jobs(stack, surroundings, logs, children, stop)
    endpoint.wait(options.port, api)
    return Running(processes, stack, token, secret)


def _check_free(port: int) -> None:
    """Raise an OSError that says what to do when somebody else listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(
                f"port {port} is taken. Stop what listens there, or choose others with "
                "PORT=… and AWS_PORT=…."
            ) from error


def _keep_to(application: str, data: Path) -> None:
    """Raise an OSError when a data folder holds what was learnt for another application."""
    kept = data / "application"
    if not kept.exists():
        kept.write_text(application)
    elif (other := kept.read_text()) != application:
        raise OSError(
            f"{data} holds samples and models of {other}. Choose another folder with DATA=…, for "
            f"example DATA={data}-{application}."
        )


def _deploy(options: Options, secret: str, emulator: subprocess.Popen[bytes] | None) -> Stack:
    """Create the stack; the template is translated while the emulator starts."""
    # Late, so that the emulator has been starting for as long as these take to import.
    import boto3

    from infra.local import stack

    plan = stack.read(
        endpoint.REPOSITORY / "template.yaml",
        {
            # Names of buckets are taken in all of AWS: there CloudFormation makes them.
            "NamePrefix": "earshot" if options.aws else "",
            "Application": options.application,
            "Backbone": options.backbone,
            "RetrainThreshold": str(options.threshold),
            "ShadowPredictions": str(options.shadow),
            "ShadowShare": "1",  # of the little that one person asks
            "CorsOrigins": options.cors,
            "AlertWebhookUrl": options.webhook,
            "AlertWebhookSecret": secret,
            "ReloadSeconds": str(RELOAD_S),
        },
        boto3.Session().region_name or endpoint.REGION,
    )
    if emulator:
        endpoint.wait(options.aws_port, emulator)
    return plan.create(boto3.client("cloudformation"), boto3.client("s3"), "earshot")


def _token(path: Path, table: str) -> str:
    import boto3
    from earshot.tokens import Tokens

    return access.administrator(path, Tokens(boto3.client("dynamodb"), table))


def _pollers(stack: Stack) -> Iterator[tuple[str, list[str], Mapping[str, str]]]:
    """The name, the poller's arguments and the environment of each function that a queue feeds."""
    for name, function in stack.functions.items():
        if function.source and function.handler:
            yield (
                name,
                [
                    *("--queue", function.source.queue_url),
                    *("--handler", function.handler),
                    *("--batch-size", str(function.source.batch_size)),
                    *("--timeout", str(function.timeout_s)),
                    "--with-parent",
                ],
                function.environment,
            )


def _timed(stack: Stack) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """The sweep's arguments and the environment of each function that the clock calls."""
    for function in stack.functions.values():
        if function.schedule and function.handler:
            arguments = ["--handler", function.handler, "--timeout", str(function.timeout_s)]
            yield arguments, function.environment


def _start_jobs(
    stack: Stack,
    surroundings: Mapping[str, str],
    logs: Path,
    children: ExitStack,
    stop: threading.Event,
) -> None:
    from subprocess import TimeoutExpired

    import boto3

    from infra.local.jobs import Worker

    def tell(event: dict[str, Any]) -> None:
        for arguments, variables in _timed(stack):
            once = [*arguments, "--event", json.dumps(event)]
            with (logs / "sweep.log").open("ab") as log:
                process = endpoint.start(
                    "infra.local.sweep", once, {**surroundings, **variables}, log.fileno()
                )
            with suppress(TimeoutExpired):
                process.wait(STOP_S)
            endpoint.end(process)

    for job in stack.jobs.values():
        worker = Worker(
            boto3.client("sqs"), job, surroundings, logs / "retrain.log", stop, tell=tell
        )
        thread = threading.Thread(target=worker.run)
        thread.start()
        children.callback(thread.join, STOP_S)
    children.callback(stop.set)


def _introduce(options: Options, running: Running, application: Application) -> None:
    """Say where everything is, and what is not what it is in the cloud."""
    bucket = running.stack.outputs["RecordingsBucketName"]
    flag = f"--endpoint-url {options.aws} " if options.aws else ""
    console.print(f"[bold]Earshot[/bold] listens for [bold]{options.application}[/bold].")
    console.print(f"  API and page   http://127.0.0.1:{options.port}   (docs at /docs)")
    console.print(f"  AWS endpoint   {options.aws or 'AWS itself'}")
    console.print(f"  data and logs  {options.data}")
    if running.token:
        console.print(f"  your token     export EARSHOT_TOKEN={running.token}", soft_wrap=True)
        console.print('                 curl -H "Authorization: Bearer $EARSHOT_TOKEN" …')
    if running.webhook_secret:
        told = f"{options.webhook}, signed by {running.webhook_secret}"
        console.print(f"  webhook        {told}", soft_wrap=True)
    console.print("  drop a sample  ", end="")
    label = application.alert_labels[0] if application.alert_labels else "LABEL"
    console.print(f"aws {flag}s3 cp clip.wav s3://{bucket}/samples/{label}/", soft_wrap=True)
    console.print(
        "  [dim]Not emulated: API Gateway (uvicorn serves the same app), Lambda (a poller calls "
        "the same\n  handler), Batch (the same command runs as a process), SNS, IAM. Ctrl-C stops."
        "[/dim]",
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
