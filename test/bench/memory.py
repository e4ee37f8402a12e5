#!/usr/bin/env python3
"""memory.py GRADUS PYTHON [--threads T] [--rounds N] [WORKLOAD:BATCH ...]: memory of training, beside that of other systems.

PYTHON has PyTorch and JAX. Of each process: its peak after at least 100 steps, a pool of 16 batches and all compiling included,
less what was resident at its start: when the others had been imported, when Gradus (with libLLVM) had been loaded and had not
opened the model file. Compilers that PyTorch runs in processes of their own do not count. The table gives medians in MiB.
"""
import argparse
import os
import statistics
import sys
import tempfile

from peers import HERE, SYSTEMS, WORKLOADS, measure

STEPS = 100


def growth(command, threads):
    with tempfile.TemporaryDirectory() as cold:  # all compile from nothing
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cold
        answer = measure(command, threads)
    if answer["steps"] < STEPS:
        sys.exit(f"{' '.join(command)}: {answer['steps']} steps, expected {STEPS}")
    return answer["memory_growth_bytes"] / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gradus")
    parser.add_argument("python")
    parser.add_argument("workloads", nargs="*", default=WORKLOADS)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_intermixed_args()
    threads, systems = str(arguments.threads), arguments.systems.split(",")
    print(f"{'workload':>16}" + "".join(f"{system:>16}" for system in ("gradus", *systems)))
    for workload in arguments.workloads:
        name, batch = workload.split(":")
        commands = {"gradus": [arguments.gradus, "bench", str(HERE / "models" / f"{name}.grad"), "--batch", batch, "--threads", threads,
                               "--least-steps", str(STEPS), "--json"]}
        for system in systems:
            commands[system] = [arguments.python, str(HERE / "peer_step.py"), system, name, batch, threads, "0", str(STEPS)]
        medians = []
        for command in commands.values():
            medians.append(statistics.median(growth(command, arguments.threads) for _ in range(arguments.rounds)))
        mark = "" if medians[0] < min(medians[1:]) else "  not the least"
        print(f"{workload:>16}" + "".join(f"{mebibytes:>16.1f}" for mebibytes in medians) + mark, flush=True)


if __name__ == "__main__":
    main()
