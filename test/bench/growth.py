#!/usr/bin/env python3
"""How compile time grows with a model: processor seconds from the file to code, for families of models
of three sizes each, and the exponent of the growth between the two largest (1 is linear).

usage: growth.py GRADUS [FAMILY...]
"""
import json
import math
import os
import resource
import subprocess
import sys
import tempfile

TRAIN = "train { optimizer = adam(rate: 1e-3); batch = 32 }\n"


def model(body, functions="", inputs="x: float[batch, 32], y: float[batch, 1]"):
    return f"{functions}model m({inputs}) {{\n{body}}}\n{TRAIN}"


def residual(n):
    block = "fn block(x: float[..., D]) -> float[..., D] { return x + dense(relu(dense(x, 2 * D)), D) }\n"
    return model(f"let h = x\nrepeat {n} {{ h = block(h) }}\nloss mse(dense(h, 1), y)\n", block)


def batch_norm(n):
    block = ("fn block(x: float[N, D]) -> float[N, D] "
             "{ return x + dense(relu(batch_norm(dense(x, 2 * D))), D) }\n")
    return model(f"let h = x\nrepeat {n} {{ h = block(h) }}\nloss mse(dense(h, 1), y)\n", block)


def parameters(n):
    scale = "fn scale() -> float[8] { param w: float[8] = ones(); return w }\n"
    return model(f"let h = 0 * x\nrepeat {n} {{ h = h + x * scale() }}\nloss mse(h, y)\n", scale,
                 "x: float[batch, 8], y: float[batch, 8]")


def side_by_side(n):
    return model(f"let h = 0 * x\nrepeat {n} {{ h = h + tanh(dense(x, 8)) }}\nloss mse(h, y)\n",
                 inputs="x: float[batch, 8], y: float[batch, 8]")


def widths(n):
    sizes = ", ".join(str(16 + i) for i in range(n))
    return model(f"let h = x\nrepeat [{sizes}] as width {{ h = relu(dense(h, width)) }}\n"
                 "loss mse(dense(h, 1), y)\n")


def lstm(n):
    cell = """fn cell(x: float[..., I], h: float[..., H], c: float[..., H]) -> (float[..., H], float[..., H]) {
  param w: float[I, 4 * H] = glorot_uniform()
  param u: float[H, 4 * H] = glorot_uniform()
  param b: float[4 * H] = zeros()
  let (i, f, g, o) = split(x @ w + h @ u + b, 4)
  let next = sigmoid(f) * c + sigmoid(i) * tanh(g)
  return (sigmoid(o) * tanh(next), next)
}
"""
    return model(f"""layer unit = cell()
let h = 0 * x[:, 0, 0:1] + fill(0, [16])
let c = h
repeat {n} as t {{
  let (a, b) = unit(x[:, t], h, c)
  h = a
  c = b
}}
loss mse(dense(h, 1), y)
""", cell, f"x: float[batch, {n}, 4], y: float[batch, 1]")


def constants(n):
    chain = "".join(f"const c{i} = c{i + 1} + 1\n" for i in range(n)) + f"const c{n} = 1\n"
    return model("loss mse(dense(x * c0, 1), y)\n", chain)


FAMILIES = {
    "residual": (residual, (100, 300, 1000)),
    "batch_norm": (batch_norm, (100, 300, 1000)),
    "parameters": (parameters, (2500, 5000, 10000)),
    "side_by_side": (side_by_side, (1250, 2500, 5000)),
    "widths": (widths, (30, 100, 300)),
    "lstm": (lstm, (100, 300, 1000)),
    "constants": (constants, (500, 1000, 2000)),
}


def seconds(gradus, text):
    """Of processor time, which other work on the machine changes least; and what `bench` tells."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.grad")
        with open(path, "w") as file:
            file.write(text)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([gradus, "bench", path, "--compile-only", "--json"], capture_output=True,
                             text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, json.loads(run.stdout)["ready_ms"] / 1000


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    gradus, names = sys.argv[1], sys.argv[2:] or list(FAMILIES)
    print(f"{'family':14}{'size':>8}{'processor s':>13}{'ready s':>10}{'exponent':>10}")
    for name in names:
        make, sizes = FAMILIES[name]
        last = None
        for size in sizes:
            used, ready = seconds(gradus, make(size))
            exponent = "" if last is None else f"{math.log(used / last[1]) / math.log(size / last[0]):.2f}"
            print(f"{name:14}{size:8}{used:13.2f}{ready:10.2f}{exponent:>10}", flush=True)
            last = (size, used)


if __name__ == "__main__":
    main()
