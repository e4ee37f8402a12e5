#!/usr/bin/env python3
"""digits_accuracy.py FOLDER LEAST: mean accuracy on the test part, over five seeds, each with its own split and first weights."""
import json
import sys

from runs import examples, gradus, require

accuracies = []
for seed in range(1, 6):
    weights = f"{sys.argv[1]}/digits{seed}.safetensors"
    gradus("train", examples / "digits.grad", "--seed", seed, "-o", weights)
    figures = json.loads(gradus("eval", examples / "digits.grad", "--weights", weights, "--part", "test", "--json"))
    accuracies.append(figures["metrics"]["accuracy"])
mean = sum(accuracies) / len(accuracies)
print("test accuracy of five seeds:", " ".join(f"{a:.4f}" for a in accuracies), f"mean {mean:.4f}")
require(len(set(accuracies)) > 1, "the seed makes no difference")
require(mean >= float(sys.argv[2]), f"less than {sys.argv[2]}")
