#!/usr/bin/env python3
"""every_stage_reads_back.py FOLDER...: what `show` prints for a stage, `opt` reads and prints the same. Of models of one name in
several folders the first is taken."""
import pathlib
import subprocess
import sys

STAGES = ["graph", "joint", "opt", "ordered", "fused", "kernels", "program", "plan"]


def gradus(*arguments, text=None):
    done = subprocess.run(["gradus", *map(str, arguments)], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"gradus {arguments} exits with {done.returncode}:\n{done.stderr}")
    return done.stdout


seen = set()
for folder in sys.argv[1:]:
    for model in sorted(pathlib.Path(folder).glob("*.grad")):
        if model.name in seen:
            continue
        seen.add(model.name)
        for function in ["init", "train", "evaluate", "predict"]:
            for stage in STAGES:
                text = gradus("show", model, f"--emit={stage}", "--function", function, "--verify-roundtrip")
                if text and gradus("opt", "-", text=text) != text:
                    sys.exit(f"{model}: {stage} of {function} reads back to another text")
        print(f"{model.name}: {' '.join(STAGES)}")
