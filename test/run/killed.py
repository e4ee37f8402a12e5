#!/usr/bin/env python3
"""killed.py FOLDER: a run that is killed in its first epoch goes on from its last checkpoint to the same files."""
import pathlib
import subprocess
import sys
import time

from runs import examples, gradus, require, require_same_files

folder = pathlib.Path(sys.argv[1])
ENDINGS = (".safetensors", ".history.csv", ".checkpoint", ".svg")
options = ("--steps", 3000, "--validate-every", 3000)  # the only validation is at the end
digits = examples / "digits.grad"
gradus("train", digits, "-o", folder / "whole.safetensors", *options)
for wait in (0, 0.2):
    name = f"killed{wait}"
    program = subprocess.Popen(["gradus", "train", str(digits), "-o", str(folder / f"{name}.safetensors"), "--save-every", "0", *map(str, options)],
                               stdout=subprocess.DEVNULL)
    checkpoint = folder / f"{name}.checkpoint"
    while not checkpoint.exists() and program.poll() is None:
        time.sleep(0.01)
    time.sleep(wait)
    program.kill()
    program.wait()
    require(program.returncode == -9, f"ended by itself: {program.returncode}")
    require(sorted(p.name for p in folder.glob(f"{name}.*")) == [checkpoint.name], "a killed run left more than its checkpoint")
    gradus("train", digits, "-o", folder / f"{name}.safetensors", "--resume", *options)
    require_same_files(folder / "whole", folder / name, *ENDINGS)
    require(not list(folder.glob(".gradus-*.tmp")), "the killed run's temporary file was left")
print("killed in its first epoch: same files")
