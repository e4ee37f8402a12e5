"""The tables of `gradus plot`, against dual numbers written here: value and slope at every sample."""
import csv
import math
import pathlib
import subprocess
import sys

folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]


class Dual:
    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope

    def __add__(self, other):
        other = dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        other = dual(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.slope - quotient * other.slope) / other.value)

    __radd__, __rmul__ = __add__, __mul__


def dual(x):
    return x if isinstance(x, Dual) else Dual(x)


def exp(x):
    return Dual(math.exp(x.value), math.exp(x.value) * x.slope)


def tanh(x):
    return Dual(math.tanh(x.value), x.slope / math.cosh(x.value) ** 2)


def phi(x):
    density = math.exp(-x.value ** 2 / 2) / math.sqrt(2 * math.pi)
    return Dual(0.5 * math.erfc(-x.value / math.sqrt(2)), density * x.slope)


def sigmoid(x):
    e = exp(-1 * x if x.value > 0 else x)
    return 1 / dual(1 + e) if x.value > 0 else e / (1 + e)


Dual.__rtruediv__ = lambda self, other: dual(other) / self
functions = {
    "relu(x)": lambda x: x if x.value > 0 else Dual(0),
    "sigmoid(x)": sigmoid,
    "tanh(x)": tanh,
    "gelu(x)": lambda x: x * phi(x),
    "silu(x)": lambda x: x * sigmoid(x),
    "elu(x, alpha: 0.5)": lambda x: x if x.value > 0 else Dual(0.5 * math.expm1(x.value), 0.5 * math.exp(x.value) * x.slope),
    "bump(x)": lambda x: x * exp(-1 * x * x),
}
(folder / "own.grad").write_text("""fn bump(x: float[...]) -> float[...] { return x * exp(-x * x) }
model unread(x: float[batch, 4]) { output y = bump(x) }
""")
table = folder / "table.csv"
subprocess.run([program, "plot", *functions, "--include", folder / "own.grad", "--from", "-8", "--to", "8", "-o", table], check=True)
with open(table, newline="") as file:
    header, *rows = csv.reader(file)
expected = ["x"] + [name + mark for name in functions for mark in ("", "'")]
if header != expected:
    sys.exit(f"header {header}, expected {expected}")
worst = 0.0
for row in rows:
    x, *values = map(float, row)
    for i, (name, function) in enumerate(functions.items()):
        right = function(Dual(x, 1.0))
        for found, wanted in zip(values[2 * i:2 * i + 2], (right.value, right.slope)):
            error = abs(found - wanted) / (1 + abs(wanted))
            worst = max(worst, error)
            # exp(x) - 1 loses digits beside 0 where expm1 does not.
            if error > 1e-15 * 8:
                sys.exit(f"{name} at {x}: {found}, expected {wanted}")
xs = [float(row[0]) for row in rows]
if xs[0] != -8 or xs[-1] != 8 or xs != sorted(set(xs)) or not {0.0, 5e-324} <= set(xs):
    sys.exit("samples ascend from -8 to 8, through both sides of the corner of relu")
print(f"{len(rows)} samples of {len(functions)} functions agree")
