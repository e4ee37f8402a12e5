"""The table of layers against the plans, added up here from their text: bytes kept, arenas, scratch, and how they grow."""
import json
import pathlib
import re
import subprocess
import sys

program, models = sys.argv[1], [pathlib.Path(path) for path in sys.argv[2:]]
batches = [1, 7, 32, 256]


def show(model, *options):
    return subprocess.run([program, "show", model, *options], check=True, capture_output=True, text=True).stdout


def require(good, message):
    if not good:
        sys.exit(message)


class Plan:
    """Buffers, kernels' slots and launches of a plan's text."""

    def __init__(self, text):
        self.kind, self.bytes, self.name, slots, self.launches = {}, {}, {}, {}, []
        for line in text.split("\n"):
            if m := re.match(r"  #(\d+) (\w+) (\S+) : \S+ (\d+) bytes block", line):
                number = int(m[1])
                self.kind[number], self.name[number], self.bytes[number] = m[2], m[3].strip('"'), int(m[4])
            elif m := re.match(r"  kernel (\d+) @\S+ \w+ \((.*)\)", line):
                slots[int(m[1])] = dict(re.findall(r"([^ ,:]+): (in|out|inout|worker)", m[2]))
            elif m := re.match(r"  launch \d+ @.* kernel (\d+) \((.*)\)", line):
                uses = [(slots[int(m[1])][slot], int(buffer)) for slot, buffer in re.findall(r"([^ ,=]+)=#(\d+)", m[2])]
                self.launches.append(({b for d, b in uses if d != "out"}, {b for d, b in uses if d != "in"}))
            elif m := re.match(r"  peak (\d+) bytes .*scratch (\d+) bytes a worker", line):
                self.arena, self.scratch = int(m[1]), int(m[2])

    def kept(self):
        """Forward launches are those from which reads and writes lead to the loss: a fixed point."""
        values = {b for b, kind in self.kind.items() if kind in ("arena", "output")}
        forward, before = {i for i, (_, w) in enumerate(self.launches) if any(self.name[b] == "loss" for b in w & values)}, -1
        while before != len(forward):
            before = len(forward)
            needed = set().union(*(self.launches[i][0] & values for i in forward))
            # A launch that comes after all forward ones may write anew what they have read.
            forward |= {i for i, (_, writes) in enumerate(self.launches) if writes & needed and i < max(forward)}
        written = set().union(*(self.launches[i][1] for i in forward))
        read = set().union(*(r for i, (r, _) in enumerate(self.launches) if i not in forward))
        return sum(self.bytes[b] for b in written & read if self.kind[b] == "arena")


for model in models:
    table = json.loads(show(model, "--json", "--batch", ",".join(map(str, batches))))
    require([row["batch"] for row in table["memory"]] == batches, f"{model}: batches {table['memory']}")
    for column, row in enumerate(table["memory"]):
        options = ["--emit=plan", "--batch", str(row["batch"])]
        training, prediction = Plan(show(model, *options)), Plan(show(model, *options, "--function=predict"))
        told = [row[name] for name in ("kept_bytes", "training_arena_bytes", "training_scratch_bytes",
                                       "prediction_arena_bytes", "prediction_scratch_bytes")]
        planned = [training.kept(), training.arena, training.scratch, prediction.arena, prediction.scratch]
        require(told == planned, f"{model}, batch {row['batch']}: {told} are told, {planned} planned")
        require(sum(layer["kept_bytes"][column] for layer in table["layers"]) == row["kept_bytes"], f"{model}: layers do not add up")
        variables = sum(b for n, b in training.bytes.items() if training.kind[n] in ("param", "state"))
        require(variables <= table["variable_bytes"] + table["optimizer_bytes"], f"{model}: {variables} bytes of variables")
    require(sum(layer["parameters"] for layer in table["layers"]) == table["parameters"], f"{model}: parameters do not add up")
    for name in ("kept_bytes", "training_arena_bytes"):
        sizes = [row[name] for row in table["memory"]]
        require(sizes == sorted(sizes) and sizes[0] < sizes[-1], f"{model}: {name} {sizes} do not grow with the batch")
    # What is kept for each row is kept for each: beyond it stand only numbers of the whole step.
    first, last = table["memory"][0], table["memory"][-1]
    growth = (last["kept_bytes"] - first["kept_bytes"]) / (batches[-1] - batches[0])
    require(0.5 * first["kept_bytes"] < growth + 64, f"{model}: {growth} bytes a row")
    print(f"{model.name}: {' '.join(str(row['kept_bytes']) for row in table['memory'])}")

# Each layer more keeps as much as the one before.
kept = []
for rounds in (2, 4, 8):
    text = f"""model tower(x: float[batch, 16], y: float[batch, 16]) {{
  let h = x
  repeat {rounds} {{ h = tanh(dense(h, 16)) }}
  loss mse(h, y)
}}
train {{ optimizer = sgd(rate: 0.1); steps = 10 }}
"""
    table = json.loads(subprocess.run([program, "show", "-", "--json", "--batch", "64"], input=text, check=True, capture_output=True, text=True).stdout)
    kept.append(table["memory"][0]["kept_bytes"])
layers = [layer for layer in table["layers"] if "tanh" in layer["name"]]
require(len(layers) == 8 and len({layer["kept_bytes"][0] for layer in layers}) <= 2, f"each tanh is a layer: {layers}")
require(kept[2] - kept[1] == 2 * (kept[1] - kept[0]) >= 4 * 64 * 16 * 4, f"towers of 2, 4, 8 layers keep {kept}")
print(f"towers: {kept}")
