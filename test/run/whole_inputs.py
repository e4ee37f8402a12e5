#!/usr/bin/env python3
"""whole_inputs.py FOLDER: inputs without `batch` are given to every step, whole and in order; a model that has no other takes all
data in one step. The steps are done again here."""
import json
import pathlib
import subprocess
import sys

from runs import gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])
xs, ys = [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 7.0, 7.0]
(folder / "d.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in zip(xs, ys)))
model, weights = folder / "m.grad", folder / "m.safetensors"
TEXT = """model m(x: float[4], y: float[4]) {
  param w: float[] = zeros()
  output p = w * x
  metric worst = sum((p - y) ^ 2)
  loss mse(p, y)
}
data { from csv("d.csv"); x = standardize(columns["x"]); y = columns["y"] }
train { optimizer = sgd(rate: 0.1); epochs = 7 }
"""
model.write_text(TEXT)
out = gradus("train", model, "-o", weights)
require("finished at step 7 of 7" in out, f"a step is no epoch: {out}")
spread = (sum((x - 2.5) ** 2 for x in xs) / 4) ** 0.5
scaled = [(x - 2.5) / spread for x in xs]
w = 0.0
for _ in range(7):
    w -= 0.1 * sum(2 * (w * x - y) * x for x, y in zip(scaled, ys)) / 4
require(abs(read_safetensors(weights)[1]["w"][0] - w) < 1e-5, "other weights")
loss = sum((w * x - y) ** 2 for x, y in zip(scaled, ys)) / 4
got = json.loads(gradus("eval", model, "--weights", weights, "--json"))
require(abs(got["loss"] - loss) < 1e-4 and abs(got["metrics"]["worst"] - 4 * loss) < 1e-3, f"eval says {got}, computed {loss}")
values = [float(cell) for cell in gradus("predict", model, "--weights", weights).split()[-1].split(",")]
require(all(abs(a - w * x) < 1e-5 for a, x in zip(values, scaled, strict=True)), f"predict says {values}")
print("without batch: a step takes all")

model.write_text(TEXT.replace("data {", "data { validation = 0.5;"))
done = subprocess.run(["gradus", "train", str(model), "-o", str(weights)], capture_output=True, text=True)
require(done.returncode == 1 and "no input has the size `batch`, so there are no rows to hold out" in done.stderr, done.stderr)

# As many places as the batch has rows: the input is still no row of the batch.
model.write_text("""model m(x: float[batch], k: float[4]) {
  param w: float[] = ones()
  output p = w * x + k[0] + 10 * k[1] + 100 * k[2] + 1000 * k[3]
  loss mean((p - 1) ^ 2)
}
data { from csv("d.csv"); x = columns["x"]; k = linspace(1, 4, 4) }
train { optimizer = sgd(rate: 0); batch = 4; steps = 3 }
""")
gradus("train", model, "-o", weights)
expected = sum((x + 4320) ** 2 for x in xs) / 4
loss = json.loads(gradus("eval", model, "--weights", weights, "--json"))["loss"]
require(abs(loss - expected) < 4, f"eval: {loss}")
loss = float(read_table(folder / "m.history.csv")[0]["loss"])
require(abs(loss - expected) < 4, f"train: {loss}")
print("beside a batch: whole and in order")

# An output that comes of parameters and whole inputs is there once, however many steps the rows take.
model.write_text("""model m(x: float[batch], k: float[3]) {
  param w: float[] = constant(2)
  output p = w * x
  output q = w * k
  loss mean((p - 1) ^ 2)
}
data { from csv("d.csv"); x = columns["x"]; k = linspace(1, 3, 3) }
train { optimizer = sgd(rate: 0); batch = 2; steps = 1 }
""")
gradus("train", model, "-o", weights)
gradus("predict", model, "--weights", weights, "-o", folder / "o.npy")
require((folder / "o.q.npy").stat().st_size == (folder / "o.p.npy").stat().st_size - 4, "not three numbers")
require(gradus("predict", model, "--weights", weights, "--output", "q").split() == ["q.0,q.1,q.2", "2,4,6"], "another q")
done = subprocess.run(["gradus", "predict", str(model), "--weights", str(weights)], capture_output=True, text=True)
require(done.returncode == 2 and "output `q` has no rows, which the others have" in done.stderr, done.stderr)
done = subprocess.run(["gradus", "predict", str(model), "--weights", str(weights), "--output", "p"], stdout=open("/dev/full", "w"),
                      stderr=subprocess.PIPE, text=True)
require(done.returncode == 1 and "cannot write to the standard output" in done.stderr, done.stderr)
print("without rows: once")
