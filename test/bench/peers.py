#!/usr/bin/env python3
"""peers.py GRADUS PYTHON [--threads T] [--rounds N] [WORKLOAD:BATCH ...]: training steps beside those of other systems.

PYTHON has PyTorch and JAX. Gradus and each system are measured in turn, every process on the same processors; the table gives
medians in microseconds and the median of the ratios pair by pair (above 1: Gradus is faster).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
SYSTEMS = ("torch-eager", "torch-compile", "jax", "jax-scan")
WORKLOADS = ("tiny:32", "mlp:32", "mlp:128", "mlp:1024", "autoencoder:64", "chars:32", "deep:1024")


def measure(command, threads):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
    pinned = ["taskset", "-c", ",".join(map(str, range(threads)))] + command
    out = subprocess.run(pinned, env=environment, capture_output=True, text=True)
    if out.returncode:
        sys.exit(f"{' '.join(command)}: exit code {out.returncode}\n{out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gradus")
    parser.add_argument("python")
    parser.add_argument("workloads", nargs="*", default=WORKLOADS)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_intermixed_args()
    threads, systems = arguments.threads, arguments.systems.split(",")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ.get("TORCHINDUCTOR_CACHE_DIR", tempfile.mkdtemp())
    print(f"{'workload':>16} {'gradus':>10}" + "".join(f"{system:>24}" for system in systems))
    for workload in arguments.workloads:
        name, batch = workload.split(":")
        own = ["--batch", batch, "--threads", str(threads), "--json"]
        ours, theirs, ratios = [], {s: [] for s in systems}, {s: [] for s in systems}
        for _ in range(arguments.rounds):
            for system in systems:
                peer = measure([arguments.python, str(HERE / "peer_step.py"), system, name, batch, str(threads), str(arguments.seconds)], threads)["step_us"]
                ours.append(measure([arguments.gradus, "bench", str(HERE / "models" / f"{name}.grad")] + own, threads)["step_us"])
                theirs[system].append(peer)
                ratios[system].append(peer / ours[-1])
        cells = (f"{statistics.median(theirs[s]):>14.1f} ({statistics.median(ratios[s]):5.2f}x)" for s in systems)
        print(f"{workload:>16} {statistics.median(ours):>10.1f}" + " ".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
