#!/usr/bin/env python3
"""fashion_labels.py WEIGHTS: classes predicted for the test part against the labels of the file, and against what eval says."""
import gzip
import json
import sys

from runs import examples, gradus, require

model = examples / "fashion.grad"
with gzip.open("/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz") as file:
    labels = list(file.read()[8:])
classes = list(map(int, gradus("predict", model, "--weights", sys.argv[1], "--part", "test").split()[1:]))
require(len(classes) == len(labels) == 10000, f"{len(classes)} classes")
accuracy = sum(a == b for a, b in zip(classes, labels)) / len(labels)
said = json.loads(gradus("eval", model, "--weights", sys.argv[1], "--part", "test", "--json"))["metrics"]["accuracy"]
require(abs(accuracy - said) < 1e-6, f"accuracy {accuracy}, eval says {said}")
print(f"accuracy {accuracy:.4f}")
