#!/usr/bin/env python3
"""changed_runs.py FOLDER: a run that goes on otherwise than it was begun says what is not as it was."""
import pathlib
import subprocess
import sys

from runs import gradus, read_table, require

folder = pathlib.Path(sys.argv[1])
(folder / "x.csv").write_text("x,y\n" + "".join(f"{i},{2 * i + 1}\n" for i in range(20)))
text = """const scale = 1
model m(x: float[batch], y: float[batch]) {
  param w: float[] = zeros()
  param b: float[] = zeros()
  output guess = scale * x * w + b
  metric near = mean(float(abs(guess - y) < 1))
  loss mse(guess, y)
}
data { from csv("x.csv"); x = columns["x"] / 20; y = columns["y"] / 20; validation = 0.2 }
train {
  optimizer = adam(rate: cosine(peak: 0.1))
  batch = 4
  steps = 40
  early_stopping(patience: 30)
}
"""
model = folder / "m.grad"


def begin(name, old="", new=""):
    model.write_text(text.replace(old, new) if old else text)
    gradus("train", model, "-o", folder / f"{name}.safetensors", "--stop-after", 10)


def resume(name, code, *messages, old="", new="", options=()):
    require(old in text, f"no `{old}`")
    model.write_text(text.replace(old, new) if old else text)
    done = subprocess.run(["gradus", "train", model, "-o", folder / f"{name}.safetensors", "--resume", *map(str, options)],
                          capture_output=True, text=True, timeout=300)
    require(done.returncode == code, f"{name}: exit code {done.returncode}, expected {code}: {done.stdout}{done.stderr}")
    for message in messages:
        require(message in done.stdout + done.stderr, f"{name}: expected `{message}`, found: {done.stdout}{done.stderr}")
    return done.stdout


begin("run")
before = {p: p.read_bytes() for p in folder.glob("run.*")}
refused = (
    # Half as many steps would scale the cosine anew.
    ("the run has 20 steps in all, by which its rate is scheduled, and had 40", "", "", ("--steps", 20)),
    ("`optimizer` is `sgd(rate: 0.1)`, was `adam(rate: cosine(peak: 0.1))`", "adam(rate: cosine(peak: 0.1))", "sgd(rate: 0.1)", ()),
    ("`gradient` is `clip_by_norm(limit: 1)`, was not set", "  batch", "  gradient = clip_by_norm(limit: 1)\n  batch", ()),
    ("`freeze` is `freeze(\"b\")`, was not set", "  batch", "  freeze(\"b\")\n  batch", ()),
    ("`shuffle` is `false`, was `true`", "validation = 0.2", "validation = 0.2; shuffle = false", ()),
    ("`monitor` is `near, the greatest is best`, was `loss, the least is best`", "patience: 30", "patience: 30, monitor: \"near\", mode: \"max\"", ()),
    ("the loss, or a constant or function that the step is made of, is another", "scale = 1", "scale = 2", ()),
    ("the loss, or a constant or function that the step is made of, is another", "loss mse(guess, y)", "loss mean(abs(guess - y))", ()),
)
for message, old, new, options in refused:
    resume("run", 1, "run.checkpoint is of a run that was begun otherwise; go on with --accept-changes", message, old=old, new=new, options=options)
require({p: p.read_bytes() for p in folder.glob("run.*")} == before, "a run that was refused changed its files")
print("changes are refused")

for i, (message, old, new, options) in enumerate(refused):
    name = f"accepted{i}"
    for path, data in before.items():
        path.with_name(path.name.replace("run.", f"{name}.", 1)).write_bytes(data)
    steps = options[1] if options else 40
    resume(name, 0, "going on with changes: " + message, f"finished at step {steps} of {steps}", old=old, new=new, options=(*options, "--accept-changes"))
print("changes are accepted where that is asked")

# After the monitor has changed, its best is its own, not the old loss: `near` is at most 1 and begins below.
rows = read_table(folder / "accepted5.history.csv")
later = [row for row in rows if int(row["step"]) > 10]
best = max(later, key=lambda row: float(row["near"]))
out = resume("accepted5", 0, f"weights are those of step {best['step']}, monitored value", old="patience: 30",
             new="patience: 30, monitor: \"near\", mode: \"max\"")
print("another monitor begins anew")

# What only looks otherwise, or says when to stop, is no change.
resume("run", 0, "paused at step 11 of 40", old="adam(rate: cosine(peak: 0.1))", new="adam(rate:\n    cosine(peak:   0.1))", options=("--stop-after", 1))
resume("run", 0, "paused at step 12 of 40", old="patience: 30", new="patience: 3", options=("--stop-after", 1))
# A metric that is added has no values before; the others keep their columns.
old_rows = read_table(folder / "run.history.csv")
resume("run", 0, "finished at step 40 of 40", old="  metric near", new="  metric far = max(abs(guess - y))\n  metric near")
rows = read_table(folder / "run.history.csv")
require(list(rows[0]) == ["epoch", "step", "loss", "validation_loss", "far", "near"], f"columns: {list(rows[0])}")
for old, new in zip(old_rows, rows):
    require(new["far"] == "" and all(old[key] == new[key] for key in old), f"was {old}, is {new}")
require(all(float(row["far"]) > 0 for row in rows[len(old_rows):]), f"no values of the new metric: {rows}")
print("metrics are found by name")

# A run cannot end before where it stands; at its end there is nothing to do.
resume("run", 2, "--steps is 8, the run to go on with has done 40", options=("--steps", 8, "--accept-changes"))
resume("run", 2, "--epochs is 1, 4 steps in all, the run to go on with has done 40", options=("--epochs", 1, "--accept-changes"))
resume("run", 1, "the train block says 8 steps in all, the run to go on with has done 40", old="steps = 40", new="steps = 8", options=("--accept-changes",))
# Where nothing reads how many steps there are, more of them are the same run.
begin("plain", "cosine(peak: 0.1)", "0.1")
resume("plain", 0, "finished at step 50 of 50", old="cosine(peak: 0.1)", new="0.1", options=("--steps", 50))
print("steps are counted on")
