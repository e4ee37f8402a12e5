#!/usr/bin/env python3
"""least_squares.py FOLDER: the line's weights meet the solution of the normal equations, exact over the rationals but for
the standard deviations."""
import math
import sys
from fractions import Fraction

from runs import examples, gradus, read_safetensors, read_table, require


def standardized(column):
    mean = sum(column) / len(column)
    deviation = Fraction(math.sqrt(sum((v - mean) ** 2 for v in column) / len(column)))
    return [(v - mean) / deviation for v in column]


def solve(matrix, right):
    """Elimination; the matrix is positive definite, so no pivot is zero."""
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    for i, pivot in enumerate(rows):
        for j, row in enumerate(rows):
            if i != j:
                factor = row[i] / pivot[i]
                rows[j] = [a - factor * b for a, b in zip(row, pivot)]
    return [row[-1] / row[i] for i, row in enumerate(rows)]


table = read_table(examples / "data" / "diabetes.csv")
names = [name for name in table[0] if name != "target"]
columns = [standardized([Fraction(row[name]) for row in table]) for name in names]
columns = [[Fraction(float(v)) for v in column] for column in columns] + [[Fraction(1)] * len(table)]
target = [Fraction(row["target"]) for row in table]
matrix = [[sum(map(Fraction.__mul__, a, b)) for b in columns] for a in columns]
best = [float(v) for v in solve(matrix, [sum(map(Fraction.__mul__, a, target)) for a in columns])]

weights = f"{sys.argv[1]}/line.safetensors"
gradus("train", examples / "line.grad", "-o", weights)
_, tensors = read_safetensors(weights)
found = tensors["w"] + tensors["b"]
require(len(found) == len(best) == 11, f"{len(found)} weights")
distance = math.dist(found, best) / math.hypot(*best)
without_bias = math.dist(found[:-1], best[:-1]) / math.hypot(*best[:-1])
print(f"distance to the least-squares solution {distance:.2e}, without the bias {without_bias:.2e}")
require(max(distance, without_bias) <= 1e-3, "more than 1e-3")
