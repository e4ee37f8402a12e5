#!/usr/bin/env python3
"""computed_indices.py FOLDER CC: an index that the model computes and that leaves its axis ends `train`, `eval` and `predict` with
its place and the row, and exported functions with a status of its own."""
import pathlib
import subprocess
import sys

from runs import gradus, read_table, require

folder, cc = pathlib.Path(sys.argv[1]), sys.argv[2]


def complaint(*arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=100)
    require(done.returncode == 1, f"gradus {arguments}: exit code {done.returncode}, expected 1: {done.stderr}")
    return done.stderr


def expect(message, *arguments):
    found = complaint(*arguments)
    require(message in found, f"{arguments}: expected `{message}`, found: {found}")


def rows(name, values, last=0):
    """One column of indices i, and y = 1; `last` rows more of i = 0."""
    path = folder / name
    path.write_text("i,y\n" + "".join(f"{value},1\n" for value in [*values, *[0] * last]))
    return path


def model(name, statements, batch=4):
    path = folder / f"{name}.grad"
    path.write_text(f"""model {name}(i: int[batch], y: float[batch]) {{
  param w: float[4] = ones()
{statements}
}}
data {{ from csv("good.csv"); shuffle = false; i = columns["i"]; y = columns["y"] }}
train {{ optimizer = sgd(rate: 0.5); batch = {batch}; epochs = 1 }}
""")
    return path


def words(row, limit):
    return f"row {row} of the data: the index that is computed here is outside of an axis of {limit}, expected 0 to {limit - 1}"


good = rows("good.csv", [0, 1, 2, 1, 0, 2], 3)
bad = rows("bad.csv", [0, 1, 2, 1, 0, 3, 2, 3], 2)  # i + 1 = 4 in rows 6 and 8
below = rows("below.csv", [0, -2, 2])

# Whole numbers of a range, floats of a parameter, an element of each row, a column of one_hot.
# Where it stands between brackets the index is pointed at, else the call that takes it.
steps = {
    "whole": "  output z = range(4)[i + 1]\n  loss mean(w[0] * y * float(z))",
    "table": "  output z = w[i + 1]\n  loss mean(y * z)",
    "along": "  output z = take_along(reshape(y, [batch, 1]) * w, i + 1)\n  loss mean(z)",
    "places": "  output z = one_hot(i + 1, 4) @ w\n  loss mean(y * z)",
    "library": "  output z = cross_entropy(reshape(y, [batch, 1]) * w, i + 1)\n  loss mean(z)",
}
for name, statements in steps.items():
    file = model(name, statements)
    weights = folder / f"{name}.safetensors"
    gradus("train", file, "-o", weights)
    pointed = "i + 1" if "[i + 1]" in statements else statements[statements.index("= ") + 2:]
    place = f"{name}.grad:3:{statements.index(pointed) + 1}: error: "
    for command in (["train", file, "-o", folder / "no.safetensors"], ["eval", file, "--weights", weights],
                    ["predict", file, "--weights", weights]):
        for threads in ([], ["--threads", 2]):
            if command[0] == "predict" and threads:
                continue
            expect(f"{place}{words(6, 4)}", *command, "--data", bad)
            expect(f"{place}{words(2, 4)}", *command, "--data", below)
    require(not (folder / "no.safetensors").exists(), f"{name}: weights of a run that failed")

# An input is tested before anything is computed: the row and the value are told.
file = model("hot", "  loss mean(one_hot(i, 3) @ w[0:3])")
gradus("train", file, "-o", folder / "hot.safetensors")
expect("row 6 of the data: input `i` is 3, expected an index from 0 to 2", "train", file, "--data", bad, "-o", folder / "no.safetensors")

# Several rows of a sample, rounds of a `repeat`, an index of no row.
file = folder / "pairs.grad"
file.write_text("""model pairs(x: int[batch, 3]) {
  param w: float[5] = ones()
  let a = reshape(x, [3 * batch])
  let s = 0 * w[0]
  repeat 2 as r {
    s = s + mean(w[a + r])
  }
  loss s
}
data { from csv("pairs.csv"); shuffle = false; x = columns[0:3] }
train { batch = 8; epochs = 1 }
""")
(folder / "pairs.csv").write_text("0,1,2\n3,3,3\n0,0,4\n4,0,0\n")
expect(f"pairs.grad:6:20: error: {words(3, 5)}", "train", file, "-o", folder / "no.safetensors")
file = model("fixed", "  state n: int[] = fill(3, [])\n  if training { n = n + 1 }\n  loss mean(y) * w[n]")
expect("fixed.grad:5:20: error: the index that is computed here is outside of an axis of 4, expected 0 to 3",
       "train", file, "-o", folder / "no.safetensors")

# What is known when compiling is refused then.
for value, places in ((5, 3), (-1, 2)):
    file = model("known", f"  let a: int[] = {value}\n  loss mean(y) * sum(one_hot(a, {places}) * w[0:{places}])")
    expect(f"known.grad:4:22: error: index {value} of an axis of {places}, expected 0 to {places - 1}", "show", file)

# The exported functions answer with the number of the place, whatever the rows are.
file = model("two", "  output z = w[i + 1]\n  output v = range(3)[i]\n  loss mean(y * z * float(v + range(7)[i * 2]))")
gradus("compile", file, "-o", folder / "two.o", "--header", folder / "two.h")
header = (folder / "two.h").read_text()
for text in ("two.grad:3:16: expected 0 to 3 */", "two.grad:5:40: expected 0 to 6 */"):
    require(text in header, f"the header lacks `{text}`")
(folder / "two.c").write_text("""#include "two.h"
static _Alignas(64) two_variables variables;
static _Alignas(64) char arena[TWO_ARENA_BYTES];
int main(void) {
  const int32_t good[4] = {0, 1, 2, 2}, late[4] = {0, 1, 2, 3};
  const float y[4] = {1, 1, 1, 1};
  float loss, z[4];
  int32_t v[4];
  if (two_init(&variables, 0, arena) != GRADUS_OK) return 1;
  if (two_train_step(&variables, good, y, 4, 1, 1, 1, 0, &loss, arena) != GRADUS_OK) return 2;
  if (two_predict(&variables, good, 4, z, v, arena) != GRADUS_OK) return 3;
  if (two_predict(&variables, late, 4, z, v, arena) != GRADUS_BAD_INDEX) return 4; /* of `v`: an input */
  return 0;
}
""")
flags = [cc, "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder}"]
subprocess.run([*flags, folder / "two.c", folder / "two.o", "-o", folder / "two"], check=True)
require(subprocess.run([folder / "two"]).returncode == 0, "the exported functions answer otherwise")
file = model("one", "  output z = w[i + 1]\n  loss mean(y * z * float(range(9)[i * 3]))")
gradus("compile", file, "-o", folder / "one.o", "--header", folder / "one.h")
(folder / "one.c").write_text("""#include "one.h"
static _Alignas(64) one_variables variables;
static _Alignas(64) char arena[ONE_ARENA_BYTES];
int main(void) {
  const int32_t late[4] = {0, 1, 3, 2}, high[4] = {0, 0, 3, 0}, good[4] = {0, 2, 1, 0};
  const float y[4] = {1, 1, 1, 1};
  float loss, z[4];
  one_init(&variables, 0, arena);
  if (one_predict(&variables, good, 4, z, arena) != GRADUS_OK) return 1;
  if (one_predict(&variables, late, 4, z, arena) != ONE_BAD_INDEX_0) return 2;
  if (one_predict(&variables, late, 2, z, arena) != GRADUS_OK) return 3; /* two rows alone */
  if (one_train_step(&variables, good, y, 4, 1, 1, 1, 0, &loss, arena) != GRADUS_OK) return 4;
  if (one_train_step(&variables, high, y, 4, 1, 1, 1, 0, &loss, arena) != ONE_BAD_INDEX_0) return 5;
  if (ONE_BAD_INDEX_0 != GRADUS_BAD_COMPUTED_INDEX || ONE_BAD_INDEX_1 != GRADUS_BAD_COMPUTED_INDEX + 1) return 6;
  return 0;
}
""")
subprocess.run([*flags, folder / "one.c", folder / "one.o", "-o", folder / "one"], check=True)
code = subprocess.run([folder / "one"]).returncode
require(code == 0, f"the exported functions answer otherwise: {code}")
print("every index is told")
