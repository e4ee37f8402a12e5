#!/usr/bin/env python3
"""The time from opening a model file to the first step, inside the process: medians of 5, in
milliseconds, with nothing kept by earlier runs (cold) and with the object cache (warm).
The start of the process, which loads libLLVM, stands apart.

usage: compile_time.py GRADUS
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = Path(__file__).parent / "models"
RUNS = 5
# Name, file, settings, and what a reader may expect at most, cold and warm.
CASES = [
    ("perceptron", "mlp.grad", [], 100, 10),
    ("transformer, 2 blocks", "chars.grad", ["blocks=2"], 300, 30),
    ("transformer, 12 blocks", "chars.grad", ["blocks=12"], 600, 60),
]


def ready(gradus, model, settings, warm, folder):
    """What one run tells of its compilation; on one processor."""
    command = [gradus, "bench", str(MODELS / model), "--compile-only", "--json"]
    command += [word for setting in settings for word in ("--set", setting)]
    command += ["--cache"] if warm else []
    environment = dict(os.environ, XDG_CACHE_HOME=folder)
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told["cached"] == warm, "the cache was not what it was said to be"
    return told


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    gradus = sys.argv[1]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'':24}{'cold':>8}{'limit':>7}{'warm':>8}{'limit':>7}{'start':>8}")
    for name, model, settings, cold_limit, warm_limit in CASES:
        with tempfile.TemporaryDirectory() as folder:
            cold = [ready(gradus, model, settings, False, folder) for _ in range(RUNS)]
            ready_once(gradus, model, settings, folder)
            warm = [ready(gradus, model, settings, True, folder) for _ in range(RUNS)]
        middle = lambda runs, key: statistics.median(run[key] for run in runs)
        print(f"{name:24}{middle(cold, 'ready_ms'):8.1f}{cold_limit:7}"
              f"{middle(warm, 'ready_ms'):8.1f}{warm_limit:7}{middle(cold, 'startup_ms'):8.1f}")


def ready_once(gradus, model, settings, folder):
    """Fills the cache."""
    command = [gradus, "bench", str(MODELS / model), "--compile-only", "--json", "--cache"]
    command += [word for setting in settings for word in ("--set", setting)]
    subprocess.run(command, env=dict(os.environ, XDG_CACHE_HOME=folder), capture_output=True,
                   check=True)


if __name__ == "__main__":
    main()
