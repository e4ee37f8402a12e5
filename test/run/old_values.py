#!/usr/bin/env python3
"""old_values.py FOLDER: a state is replaced in the step that takes elements of its old value at indices. By formula."""
import math
import pathlib
import sys

from runs import gradus, read_safetensors, require

folder = pathlib.Path(sys.argv[1])
picks = [5, 63, 0, 17, 31, 32, 2, 40]
(folder / "i.csv").write_text("i,y\n" + "".join(f"{i},1\n" for i in picks))
(folder / "m.grad").write_text("""model m(i: int[8], y: float[8]) {
  param w: float[8] = ones()
  state s: float[8, 64] = float(reshape(range(512), [8, 64])) / 512
  state r: float[8] = zeros()
  if training {
    let old = s
    let p = softmax(s)
    let q = p / reshape(max(p, axis: 1) + 1, [8, 1])
    s = p
    r = take_along(old * 2, i) + min(q, axis: 1)
  }
  loss mean(y * w)
}
data { from csv("i.csv"); i = columns["i"]; y = columns["y"] }
train { optimizer = sgd(rate: 0.0); steps = 1 }
""")
gradus("train", folder / "m.grad", "-o", folder / "w.safetensors")
tensors = read_safetensors(folder / "w.safetensors")[1]
s, r = [], []
for row, pick in enumerate(picks):
    old = [(64 * row + c) / 512 for c in range(64)]
    powers = [math.exp(v) for v in old]
    p = [v / sum(powers) for v in powers]
    s += p
    r.append(2 * old[pick] + min(p) / (max(p) + 1))
for name, expected in (("s", s), ("r", r)):
    for found, right in zip(tensors[name], expected):
        require(abs(found - right) <= 1e-6, f"`{name}` holds {found}, expected {right}")
print("old values are read before they are replaced")
