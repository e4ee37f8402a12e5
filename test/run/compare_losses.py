#!/usr/bin/env python3
"""compare_losses.py HISTORY.csv REFERENCE.json RELATIVE: every step's training loss against the reference."""
import csv
import json
import sys

ours = [float(row["loss"]) for row in csv.DictReader(open(sys.argv[1]))]
reference = json.load(open(sys.argv[2]))["losses"]
if len(ours) != len(reference):
    sys.exit(f"{len(ours)} steps, expected {len(reference)}")
worst = max(abs(a - b) / abs(b) for a, b in zip(ours, reference))
print(f"{len(ours)} steps, largest relative difference {worst:.2e}")
sys.exit(0 if worst <= float(sys.argv[3]) else f"larger than {sys.argv[3]}")
