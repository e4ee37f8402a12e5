#!/usr/bin/env python3
"""unseen_rows.py FOLDER: other values in the rows of the test part change no bit of weights, fitted constants or history; in the
validation part they change what is validated, not what is trained or fitted; in the training part they change all."""
import csv
import pathlib
import subprocess
import sys

from runs import examples, gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])
model = examples / "housing.grad"
with open(examples / "data" / "housing.csv", newline="") as file:
    header, *rows = csv.reader(file)
rows = rows[:3000]

# A model that answers with the number of each row says which rows a part has.
(folder / "number.csv").write_text("number,y\n" + "".join(f"{i},0\n" for i in range(len(rows))))
(folder / "number.grad").write_text("""model number(x: float[batch], y: float[batch]) {
  param w: float[] = ones()
  output row = x * w
  loss mse(x * w, y)
}
data { from csv("number.csv"); x = columns["number"]; y = columns["y"]; validation = 0.2; test = 0.2 }
train { optimizer = sgd(rate: 0) }
""")
gradus("train", folder / "number.grad", "--steps", 1, "-o", folder / "number.safetensors")


def rows_of(part):
    lines = gradus("predict", folder / "number.grad", "--weights", folder / "number.safetensors", "--part", part).split()[1:]
    return [int(float(line)) for line in lines]


parts = {part: rows_of(part) for part in ("train", "validation", "test")}
require(sorted(sum(parts.values(), [])) == list(range(len(rows))), "parts overlap or miss rows")
require([len(parts[part]) for part in ("train", "validation", "test")] == [1800, 600, 600], "other shares than 0.6, 0.2 and 0.2")


def train(name, changed):
    """Housing with all numbers of the changed rows doubled, and the bedrooms of every other one missing."""
    table = [list(row) for row in rows]
    for i in changed:
        table[i] = [str(2 * float(cell or 1)) for cell in table[i][:9]] + table[i][9:]
        if i % 2:
            table[i][header.index("total_bedrooms")] = ""
    with open(folder / f"{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows([header] + table)
    gradus("train", model, "--data", folder / f"{name}.csv", "--epochs", 4, "-o", folder / f"{name}.safetensors")
    metadata, tensors = read_safetensors(folder / f"{name}.checkpoint")
    tensors = {path: values for path, values in tensors.items() if not path.startswith(("best:", "gradus:"))}
    history = read_table(folder / f"{name}.history.csv")
    return {"fitted": metadata["gradus.fitted"], "last weights": tensors, "losses": [row["loss"] for row in history],
            "validation": [row["validation_loss"] for row in history],
            "kept weights": (folder / f"{name}.safetensors").read_bytes()}


plain = train("plain", [])
for part, same in (("test", set(plain)), ("validation", {"fitted", "last weights", "losses"}), ("train", set())):
    found = {what for what, value in train(part, parts[part]).items() if value == plain[what]}
    if part == "validation":
        found.discard("kept weights")  # which weights are best depends on the validation
    require(found == same, f"other values in the {part} part leave {sorted(found)}, expected {sorted(same)}")
    print(f"other values in the {part} part: as expected")

# With rows more the table is other data: no part of the kept split is taken from it.
def complaint(*arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    require(done.returncode == 1, f"gradus {arguments}: exit code {done.returncode}, expected 1")
    return done.stderr


with open(folder / "number.csv", "a") as file:
    file.write("3000,0\n")
for command in ("eval", "predict"):
    told = complaint(command, folder / "number.grad", "--weights", folder / "number.safetensors", "--part", "test")
    require("the test part has no rows; the split kept with the weights is of 3000 rows, these are other data, 3001 rows" in told, told)
require(len(rows_of("all")) == 3001, "not all rows")
print("rows more: said")
