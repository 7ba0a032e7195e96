"""Requests per second and latency of a served model, against the model alone in a loop.

For both experiments, the model of their last run behind `loop serve`, on this machine:

    bare model     in the server's own container: the model on an image in memory
    one at a time  a client that sends the next request after each answer
    eight at once  eight such clients

In turns, each of --count predictions of one image. p50 and p95 are milliseconds
per prediction, as the client sees them; of all turns together.

    packages/innerloop/bench serve [--turns 5] [--count 400] [--experiment EXP] [--json]
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from _support import ROOT, call

LOOP = str(ROOT / "scripts" / "loop")
BARE = {
    "digit_recognition": """
import torch
torch.set_num_threads(1)
model = torch.export.load(folder + "/model.pt2").module()
image = torch.randint(0, 256, (1, 28, 28), dtype=torch.uint8)
predict = torch.no_grad()(lambda: model(image).tolist())
""",
    "digit_recognition_svm": """
import numpy, skops.io
model = skops.io.load(folder + "/model.skops")
row = numpy.random.RandomState(0).rand(1, 784)
predict = lambda: (model.predict(row).tolist(), model.decision_function(row).tolist())
""",
}
LOOPS = """
import json, os, sys, time
folder = os.environ["AZUREML_MODEL_DIR"] + "/model"
{setup}
for _ in range(20): predict()
seconds = []
for _ in range(int(sys.argv[1])):
    begun = time.perf_counter(); predict(); seconds.append(time.perf_counter() - begun)
print(json.dumps(seconds))
"""
Seconds = list[float]


def main() -> int:
    args = arguments()
    told = {name: measure(name, args.turns, args.count) for name in args.experiment or BARE}
    if args.json:
        print(json.dumps({"turns": args.turns, "count": args.count, "served": told}, indent=2))
        return 0
    for name, ways in told.items():
        print(f"{name:<26}{'per second':>12}{'p50':>12}{'p95':>12}")
        for way, numbers in ways.items():
            rate, p50, p95 = (numbers[key] for key in ("per_second", "p50_ms", "p95_ms"))
            print(f"  {way:<24}{rate:>12,.0f}{p50:>9.2f} ms{p95:>9.2f} ms")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="of each (default: %(default)s)")
    parser.add_argument("--count", type=int, default=400, help="predictions a turn (%(default)s)")
    parser.add_argument("--experiment", action="append", choices=list(BARE), help="default: both")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args()


def measure(name: str, turns: int, count: int) -> Mapping[str, Mapping[str, float]]:
    with served(name) as (url, container):
        body = json.dumps({"images": [[0] * 28] * 28}).encode()
        ways: dict[str, Callable[[], tuple[Seconds, float]]] = {
            "bare model": lambda: bare(name, container, count),
            "one at a time": lambda: asked(url, body, count, 1),
            "eight at once": lambda: asked(url, body, count, 8),
        }
        latencies: dict[str, Seconds] = {way: [] for way in ways}
        rates: dict[str, Seconds] = {way: [] for way in ways}
        for turn in range(turns + 1):
            for way, do in ways.items():
                seconds, whole = do()
                if turn:  # the first warms up
                    latencies[way] += seconds
                    rates[way].append(count / whole)
    return {way: numbers(latencies[way], rates[way]) for way in ways}


def numbers(latencies: Seconds, rates: Seconds) -> dict[str, float]:
    cuts = statistics.quantiles(latencies, n=20)
    return {
        "per_second": statistics.median(rates),
        "p50_ms": statistics.median(latencies) * 1000,
        "p95_ms": cuts[-1] * 1000,
    }


@contextmanager
def served(name: str) -> Iterator[tuple[str, str]]:
    """The server's URL and its container."""
    said = call([LOOP, "serve", name, "--detach"])
    url = said.partition(f"{name} is served at ")[2].split()[0]
    try:
        port = f"publish={urlsplit(url).port}"
        yield url, call(["docker", "ps", "--quiet", "--filter", port]).strip()
    finally:
        subprocess.run([LOOP, "serve", name, "--stop"], capture_output=True)


def bare(name: str, container: str, count: int) -> tuple[Seconds, float]:
    program = LOOPS.format(setup=BARE[name])
    said = call(["docker", "exec", container, "python", "-c", program, str(count)])
    seconds: Seconds = json.loads(said)
    return seconds, sum(seconds)


def asked(url: str, body: bytes, count: int, at_once: int) -> tuple[Seconds, float]:
    found: Seconds = []
    each = count // at_once
    clients = [
        threading.Thread(target=lambda: found.extend(client(url, body, each)))
        for _ in range(at_once)
    ]
    begun = time.perf_counter()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    whole = time.perf_counter() - begun
    if len(found) != each * at_once:
        sys.exit(f"{url}: a client did not get all its answers")
    return found, whole


def client(url: str, body: bytes, count: int) -> Seconds:
    """One connection, as long as the server keeps it open."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    seconds: Seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("POST", place.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - begun)
        if answer.status != 200:
            sys.exit(f"{url} answers {answer.status}")
    connection.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
