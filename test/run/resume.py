#!/usr/bin/env python3
"""resume.py FOLDER: a run that is stopped and goes on leaves the files of one that was never stopped."""
import fcntl
import pathlib
import signal
import subprocess
import sys

from runs import examples, gradus, read_safetensors, require, require_same_files

ENDINGS = (".safetensors", ".history.csv", ".checkpoint", ".svg")
F_SETPIPE_SZ = 1031
folder = pathlib.Path(sys.argv[1])


def train(model, name, *options, code=0):
    return gradus("train", model, "-o", folder / f"{name}.safetensors", *options, code=code)


def interrupt(model, name, number, code):
    """Sends the signal after the first record. The pipe is small and nobody reads: the run cannot end before it."""
    program = subprocess.Popen(["gradus", "train", str(model), "-o", str(folder / f"{name}.safetensors")], stdout=subprocess.PIPE, bufsize=0)
    fcntl.fcntl(program.stdout, F_SETPIPE_SZ, 4096)
    seen = b""
    while b"epoch" not in seen:
        seen += program.stdout.read(64)
    program.send_signal(number)
    seen += program.stdout.read()
    require(program.wait() == code, f"a run with signal {number} ended with {program.returncode}, expected {code}")
    require(b"interrupted at step" in seen, f"the run did not say that it was interrupted: {seen!r}")


digits, overfit = examples / "digits.grad", examples / "overfit.grad"
train(digits, "whole", "--epochs", 4)
for stops in ([1], [17], [40], [1, 1, 39, 47]):  # an epoch has 40 steps: its first, within, its end, again and again
    name = "stopped" + "-".join(map(str, stops))
    for i, stop in enumerate(stops):
        out = train(digits, name, "--epochs", 4, "--stop-after", stop, *(["--resume"] if i else []))
        require(f"paused at step {sum(stops[:i + 1])} of 160" in out, f"not paused: {out}")
    train(digits, name, "--epochs", 4, "--resume")
    require_same_files(folder / "whole", folder / name, *ENDINGS)
    print(f"stopped after {stops}: same files")

# A run of fewer epochs is the first part of a longer one.
train(digits, "longer", "--epochs", 2)
train(digits, "longer", "--epochs", 4, "--resume")
require_same_files(folder / "whole", folder / "longer", *ENDINGS)
train(digits, "steps", "--steps", 40, "--validate-every", 40)
train(digits, "steps", "--epochs", 4, "--resume")
require_same_files(folder / "whole", folder / "steps", *ENDINGS)

# Draws, running values and averages go on where they stood, on any number of threads; an epoch has 8 steps.
everything = pathlib.Path(__file__).parent / "Inputs" / "everything.grad"
train(everything, "everything")
for i, stop in enumerate((1, 4, 3, 5)):
    out = train(everything, "everything-stopped", "--threads", 1 + i % 3, "--stop-after", stop, *(["--resume"] if i else []))
    require("paused at step" in out, f"not paused: {out}")
train(everything, "everything-stopped", "--threads", 2, "--resume")
require_same_files(folder / "everything", folder / "everything-stopped", *ENDINGS)
print("draws, running values, averages: same files")

train(overfit, "stopping")
for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
    name = f"interrupted{code}"
    interrupt(overfit, name, number, code)
    train(overfit, name, "--resume")
    require_same_files(folder / "stopping", folder / name, *ENDINGS)
    print(f"exit code {code}: same files")
require("stopped early" in train(overfit, "interrupted130", "--resume"), "a run that was stopped early did not say so again")
require_same_files(folder / "stopping", folder / "interrupted130", *ENDINGS)

# Whoever reads goes away (`| head -1`): what cannot be told is no reason to lose the run.
program = subprocess.Popen(["gradus", "train", str(overfit), "-o", str(folder / "unread.safetensors")], stdout=subprocess.PIPE, bufsize=0)
program.stdout.read(1)
program.stdout.close()
require(program.wait() == 141, f"a run that nobody reads ended with {program.returncode}, expected 141")
train(overfit, "unread", "--resume")
require_same_files(folder / "stopping", folder / "unread", *ENDINGS)
print("output that nobody reads: same files")
# Under nohup a closed terminal is no reason to stop.
ignored = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
program = subprocess.Popen(["gradus", "train", str(overfit), "-o", str(folder / "nohup.safetensors")], stdout=subprocess.PIPE, preexec_fn=ignored)
program.stdout.readline()
program.send_signal(signal.SIGHUP)
program.stdout.read()
require(program.wait() == 0, f"a run under nohup ended with {program.returncode}")
require_same_files(folder / "stopping", folder / "nohup", *ENDINGS)

# The seed, and with it the split, is that of the run, not of the command.
train(overfit, "seeded", "--seed", 7, "--epochs", 4)
train(overfit, "resumed", "--seed", 7, "--epochs", 4, "--stop-after", 13)
train(overfit, "resumed", "--seed", 8, "--epochs", 4, "--resume", code=2)
train(overfit, "resumed", "--epochs", 4, "--resume")
require_same_files(folder / "seeded", folder / "resumed", *ENDINGS)
print("the seed is kept")

# So is the batch: its steps say which rows an epoch has left.
train(overfit, "resumed", "--epochs", 5, "--batch", 16, "--resume", code=2)
halved = folder / "halved.grad"
halved.write_text(overfit.read_text().replace("batch = 32", "batch = 16"))
train(halved, "batches", "--data", examples / "data" / "diabetes.csv", "--epochs", 4, "--stop-after", 13)
for other, options, code in ((halved, ("--batch", 8), 2), (overfit, (), 1)):
    train(other, "batches", "--data", examples / "data" / "diabetes.csv", "--epochs", 4, "--resume", *options, code=code)
train(overfit, "batches", "--data", examples / "data" / "diabetes.csv", "--epochs", 4, "--resume", "--batch", 16)
print("another batch is refused")

# So are the fitted constants and the shares, over files given on the command line and where the model file has changed.
table = (examples / "data" / "diabetes.csv").read_text()
(folder / "rows.csv").write_text(table)
train(overfit, "given-resumed", "--data", folder / "rows.csv", "--epochs", 4, "--stop-after", 13)
header, *lines = table.splitlines()
(folder / "rows.csv").write_text("\n".join([header] + [line.replace(",", "0,", 1) for line in lines]) + "\n")
fitted = read_safetensors(folder / "given-resumed.checkpoint")[0]["gradus.fitted"]
changed = folder / "changed.grad"
changed.write_text(overfit.read_text().replace("validation = 0.3", "validation = 0.1"))
out = train(changed, "given-resumed", "--data", folder / "rows.csv", "--epochs", 4, "--resume")
require("310 rows to train, 132 to validate" in out, f"another split: {out}")
require(read_safetensors(folder / "given-resumed.safetensors")[0]["gradus.fitted"] == fitted, "the constants were fitted anew")
(folder / "rows.csv").write_text("\n".join([header] + lines[:200]) + "\n")
train(overfit, "given-resumed", "--data", folder / "rows.csv", "--epochs", 5, "--resume", code=1)
print("split and constants are kept")
