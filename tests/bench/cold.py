"""Cold starts: from the process's start to the first prediction answered, in Lambda's runtime.

Against a process that only imports numpy, ONNX Runtime and boto3 and runs the model once: in the
same Python, from the same folders, in the same sandbox. The emulator starts the runtime's process
when the first event comes, so the time runs from the event on.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from infra.local import artefacts, endpoint, rie, runtimes
from infra.local.gateway import http_event
from tests.bench import measure
from tests.bench.clips import clips

# It says when it has done so, on the clock that all processes share: its end is not its matter.
FLOOR = """
import numpy, onnxruntime, boto3
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
model = "/opt/earshot/bundles/surveillance/model.onnx"
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
session.run(None, {"waveform": numpy.zeros((1, 64_000), numpy.float32)})
import time
print(time.perf_counter(), time.process_time())
"""
# Within the sandbox, which takes its time itself.
TIMED = """
import json, subprocess, sys, time
began = time.perf_counter()
done, used = subprocess.check_output([sys.executable, "-c", sys.argv[1]]).split()
print(json.dumps([float(done) - began, float(used)]))
"""


def measured(rounds: int) -> dict[str, Any]:
    """Milliseconds of both, and their ratio. Raises rie.Unavailable or artefacts.NotBuilt."""
    used: dict[str, list[float]] = {"ours": [], "floor": []}
    body = clips()[0]
    headers = [(b"host", b"127.0.0.1:80"), (b"content-type", b"audio/wav")]
    request = {"method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    event = http_event(request, body)
    with endpoint.emulator() as url, Path(os.devnull).open("wb") as log:
        predict = runtimes.deploy(url).functions["PredictFunction"]

        def ours() -> float:
            with rie.runtime(predict, endpoint.environment(url), log) as runtime:
                began = time.perf_counter()
                answer = runtime.invoke(event)
                took = time.perf_counter() - began
                assert answer["statusCode"] == 200, answer
                used["ours"].append(sum(map(measure.cpu_s, _runtimes())) * 1000)
            return took * 1000

        def floor() -> float:
            python = f"/var/lang/bin/{artefacts.PYTHON}"
            command = rie.sandboxed(artefacts.PREDICT, [python, "-c", TIMED, FLOOR])
            told = rie.environment(predict, endpoint.environment(url))
            wall, cpu = json.loads(subprocess.check_output(command, env={**told, **rie.LAYOUT}))
            used["floor"].append(cpu * 1000)
            return float(wall) * 1000

        measure.in_turns({"ours": ours, "floor": floor}, 1)  # whatever is read from the disk
        used = {"ours": [], "floor": []}
        took = measure.in_turns({"ours": ours, "floor": floor}, rounds)
    return measure.told(
        ours_ms=measure.median(took["ours"]),
        floor_ms=measure.median(took["floor"]),
        ratio=measure.ratio(took["ours"], took["floor"]),
        ours_cpu_ms=measure.median(used["ours"]),
        floor_cpu_ms=measure.median(used["floor"]),
        cpu_ratio=measure.ratio(used["ours"], used["floor"]),
    )


def _runtimes() -> list[int]:
    """The processes of Lambda's Python below this one."""
    return [
        pid
        for pid in measure.descendants(os.getpid())
        if b"awslambdaric" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        and b"python" in Path(f"/proc/{pid}/exe").readlink().name.encode()
    ]
