#!/usr/bin/env python3
"""bench_memory.py FOLDER: the memory figures of `gradus bench --json` where it is known what they must be."""
import json
import pathlib
import subprocess
import sys

model = pathlib.Path(sys.argv[1]) / "m.grad"
model.write_text("model m(x: float[batch, 1000]) { loss mean(dense(x, 2) ^ 2) }\ntrain { optimizer = sgd(rate: 0.1) }\n")


def bench(batch, *options):
    out = subprocess.run(["gradus", "bench", str(model), "--json", "--batch", str(batch), *options], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


small, large = bench(1), bench(1024)
grown = large["memory_growth_bytes"] - small["memory_growth_bytes"]
pool = 16 * 1023 * 1000 * 4
arena = large["arena_bytes"] - small["arena_bytes"]
room = 4 * 2**20  # what compiling has taken serves both in part
if not pool - room <= grown <= pool + arena + room:
    sys.exit(f"16 batches more take {pool} bytes, the process grew by {grown}")
print("batches in memory: counted")

steps = small["steps"] + 1000
if bench(1, "--least-steps", str(steps))["steps"] < steps:
    sys.exit(f"fewer than {steps} steps")
print("steps: as many as asked for")
