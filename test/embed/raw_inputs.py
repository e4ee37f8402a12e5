#!/usr/bin/env python3
"""raw_inputs.py FOLDER PREDICT.c CC: the object made with --raw-inputs predicts from the file's numbers what `predict` does."""
import array
import json
import pathlib
import subprocess
import sys

folder, source, cc = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
TOWNS = ["bath", "leeds", "york"]
rows = [(20 + i * 7 % 37, None if i % 5 == 3 else 1 + i % 4, 1000 + 13 * i, TOWNS[(i + i // 4) % 3]) for i in range(30)]
table = "a,b,c,town,y\n" + "".join(f"{a},{'' if b is None else b},{c},{town},{i % 7}\n" for i, (a, b, c, town) in enumerate(rows))
(folder / "d.csv").write_text(table)
(folder / "raw.grad").write_text("""model raw(x: float[batch, 2], z: float[batch], town: int[batch], y: float[batch]) {
  param w: float[2] = normal()
  param v: float[] = 0.5
  param t: float[3] = normal()
  output p = x @ w + v * z + t[town]
  loss mse(p, y)
}
data {
  from csv("d.csv")
  x = standardize(log(fill_missing(columns["a", "b"], "median") + 1))
  z = 2 * (1 - minmax(columns["c"]) / 4)
  town = category(columns["town"])
  y = columns["y"]
}
train { optimizer = sgd(rate: 0.1); epochs = 3 }
""")


def run(*arguments, text=None):
    done = subprocess.run([str(a) for a in arguments], cwd=folder, input=text, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


run("gradus", "train", "raw.grad", "-o", "w.safetensors")
expected = [float(line) for line in run("gradus", "predict", "raw.grad", "--weights", "w.safetensors").split()[1:]]
run("gradus", "compile", "raw.grad", "-o", "raw.o", "--header", "raw.h", "--weights", "w.safetensors", "--raw-inputs")
header = (folder / "raw.h").read_text()
for part in ('x = standardize(log(fill_missing(columns["a", "b"], "median") + 1))   built in',
             "fill_missing, in place of a missing value: ", "minmax: (x - 1000) / 377", '0 "bath", 1 "leeds", 2 "york"'):
    if part not in header:
        sys.exit(f"the header lacks {part}:\n{header[:1500]}")
run("gradus", "compile", "raw.grad", "-o", "plain.o", "--header", "plain.h")
plain = (folder / "plain.h").read_text()
if "--weights W" not in plain or "built in" in plain:
    sys.exit(f"without weights the header says:\n{plain[:1500]}")
print("header: the constants and the categories")

data = (folder / "w.safetensors").read_bytes()
length = int.from_bytes(data[:8], "little")
entries = json.loads(data[8:8 + length])
with open(folder / "w.raw", "wb") as out:
    for name in ("w", "v", "t"):
        begin, end = entries[name]["data_offsets"]
        out.write(data[8 + length + begin:8 + length + end])
run(cc, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", ".", source, "raw.o", "-o", "predict_raw")
text = "".join(f"{a} {'nan' if b is None else b} {c} {TOWNS.index(town)}\n" for a, b, c, town in rows)
found = [float(line) for line in run("./predict_raw", "w.raw", text=text).split()]
if len(found) != len(rows) or any(abs(f - e) > 1e-5 * (1 + abs(e)) for f, e in zip(found, expected)):
    sys.exit(f"found {found}\nexpected {expected}")
print("object: the predictions of the file's own numbers")
