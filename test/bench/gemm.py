#!/usr/bin/env python3
"""gemm.py GRADUS [--threads T] [--cpu NAME] [MxNxK ...]: each layout's share of the FMA peak, as a table.

A product of two inputs is a model of its own; `gradus bench` measures it and the machine's peak in one run.
`N` is an operand as stored, `T` one that is stored transposed.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

LAYOUTS = ("NN", "NT", "TN", "TT")


def model(m, n, k, layout):
    a = f"{k}, {m}" if layout[0] == "T" else f"{m}, {k}"
    b = f"{n}, {k}" if layout[1] == "T" else f"{k}, {n}"
    left = "transpose(a)" if layout[0] == "T" else "a"
    right = "transpose(b)" if layout[1] == "T" else "b"
    return f"model gemm(a: float[{a}], b: float[{b}]) {{\n  output c = {left} @ {right}\n}}\n"


def share(arguments, folder, size, layout):
    """The product's share of the FMA peak, and microseconds."""
    path = pathlib.Path(folder) / "gemm.grad"
    path.write_text(model(*size, layout))
    command = [arguments.gradus, "bench", str(path), "--json", "--threads", str(arguments.threads)]
    if arguments.cpu:
        command += ["--cpu", arguments.cpu]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    flops = 2 * math.prod(size)
    return flops / result["step_us"] / 1e3 / result["peak_gflops"], result["step_us"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gradus")
    parser.add_argument("sizes", nargs="*", default=["512x512x512", "128x256x784"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu")
    parser.add_argument("--at-least", type=float, default=0, help="exit 1 if a share is below")
    arguments = parser.parse_args()
    print(f"{'M x N x K':>16}" + "".join(f"{layout:>8}" for layout in LAYOUTS))
    least, logarithms = 1, []
    with tempfile.TemporaryDirectory() as folder:
        for text in arguments.sizes:
            size = [int(number) for number in text.split("x")]
            shares = [share(arguments, folder, size, layout)[0] for layout in LAYOUTS]
            least = min(least, *shares)
            logarithms += [math.log(value) for value in shares]
            print(f"{text:>16}" + "".join(f"{value:>8.1%}" for value in shares), flush=True)
    print(f"least {least:.1%}, geometric mean {math.exp(sum(logarithms) / len(logarithms)):.1%}")
    raise SystemExit(least < arguments.at_least)


if __name__ == "__main__":
    main()
