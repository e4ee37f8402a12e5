#!/usr/bin/env python3
"""gemm.py GRADUS [--threads T] [--cpu NAME] [--beside FILE] [LAYOUT:MxNxK ...]: share of the FMA peak, as a table.

A product of two parameters, the same in every call, is a model of its own; `gradus bench` measures it
and the machine's peak in one run.
The first letter of a layout tells how A is stored, the second B: `N` as [M, K] and [K, N], `T` transposed.
--beside takes the other libraries' GFLOP/s: lines of JSON with layout, m, n, k and a number for each library.
"""
import argparse
import json
import math
import pathlib
import subprocess
import tempfile

SIZES = """NN:32x256x784 NN:128x256x784 NN:1024x256x784 TN:784x256x128 TN:784x256x1024 NT:128x784x256
    NN:128x10x256 TN:256x10x128 NN:64x64x64 NN:128x128x128 NN:256x256x256 NN:512x512x512
    NN:1024x1024x1024 TN:1024x1024x1024 NT:1024x1024x1024 NN:2048x384x128 NN:2048x512x128
    TN:128x512x2048 NT:256x256x64""".split()
LIBRARIES = ("mkl", "openblas", "onednn")
LARGE = 64  # sizes that count for the mean: no side is shorter


def model(m, n, k, layout):
    a = f"{k}, {m}" if layout[0] == "T" else f"{m}, {k}"
    b = f"{n}, {k}" if layout[1] == "T" else f"{k}, {n}"
    left = "transpose(a)" if layout[0] == "T" else "a"
    right = "transpose(b)" if layout[1] == "T" else "b"
    params = [f"  param {name}: float[{shape}] = uniform(-1, 1)\n" for name, shape in (("a", a), ("b", b))]
    return f"model gemm() {{\n{''.join(params)}  output c = {left} @ {right}\n}}\n"


def measure(arguments, folder, layout, size):
    """GFLOP/s of the product and of the machine's peak."""
    path = pathlib.Path(folder) / "gemm.grad"
    path.write_text(model(*size, layout))
    command = [arguments.gradus, "bench", str(path), "--json", "--threads", str(arguments.threads)]
    if arguments.cpu:
        command += ["--cpu", arguments.cpu]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return 2 * math.prod(size) / result["step_us"] / 1e3, result["peak_gflops"]


def read_libraries(path):
    """GFLOP/s by layout and size, then by library."""
    rows = map(json.loads, pathlib.Path(path).read_text().splitlines()) if path else ()
    return {(row["layout"], row["m"], row["n"], row["k"]): row for row in rows}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def table(arguments):
    """Prints a line for each size; answers size, share of the peak and ratio to each library."""
    libraries = read_libraries(arguments.beside)
    titles = LIBRARIES if libraries else ()
    print(f"{'product':>20} {'GFLOP/s':>8} {'share':>6}" + "".join(f"{title:>9}" for title in titles))
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for text in arguments.sizes:
            layout, numbers = text.split(":")
            size = tuple(int(number) for number in numbers.split("x"))
            speed, peak = measure(arguments, folder, layout, size)
            row = libraries.get((layout, *size), {})
            ratios = {title: speed / row[title] for title in titles if row.get(title)}
            lines.append((size, speed / peak, ratios))
            print(f"{text:>20} {speed:>8.1f} {speed / peak:>6.1%}"
                  + "".join(f"{row.get(title) or math.nan:>9.1f}" for title in titles), flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gradus")
    parser.add_argument("sizes", nargs="*", default=SIZES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu")
    parser.add_argument("--beside", help="a file of the libraries' GFLOP/s")
    parser.add_argument("--at-least", type=float, default=0, help="exit 1 if a large share is below")
    arguments = parser.parse_intermixed_args()
    lines = table(arguments)
    large = [line for line in lines if min(line[0]) >= LARGE]
    shares = [share for _, share, _ in large]
    least = min(shares, default=1)
    print(f"sides >= {LARGE}: geometric mean {geometric_mean(shares):.1%}, least {least:.1%}")
    for title in LIBRARIES if arguments.beside else ():
        ratio = geometric_mean([ratios[title] for _, _, ratios in large if title in ratios])
        small = [f"{ratios[title]:.2f}" for size, _, ratios in lines
                 if min(size) < LARGE and title in ratios]
        print(f"over {title}: {ratio:.3f}; small ones {' '.join(small)}")
    raise SystemExit(least < arguments.at_least)


if __name__ == "__main__":
    main()
