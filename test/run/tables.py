#!/usr/bin/env python3
"""tables.py FOLDER: how tables and arrays are read. Expected numbers are computed here, in Python."""
import json
import pathlib
import struct
import subprocess
import sys
import zipfile

from runs import read_safetensors, require

folder = pathlib.Path(sys.argv[1])
MODEL = """model m({inputs}) {{
  param w: float[] = ones()
  output seen = {seen} * w
  loss mean(({seen} * w - 1) ^ 2)
}}
data {{
{data}
}}
train {{ optimizer = sgd(rate: 0); steps = 1 }}
"""


def write(name, data, inputs="x: float[batch, 2]", seen="x"):
    path = folder / f"{name}.grad"
    path.write_text(MODEL.format(inputs=inputs, seen=seen, data=data))
    return path


def run(*arguments, code=0):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    require(done.returncode == code, f"gradus {arguments}: exit code {done.returncode}, expected {code}: {done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def train(model):
    weights = model.with_suffix(".safetensors")
    return weights, *run("train", model, "-o", weights)


def predict(model, weights, *options):
    return [[float(cell) for cell in line.split(",")] for line in run("predict", model, "--weights", weights, *options)[0].split()[1:]]


def require_rows(found, expected, what, near=0):
    same = len(found) == len(expected) and all(len(f) == len(e) and all(abs(a - b) <= near for a, b in zip(f, e)) for f, e in zip(found, expected))
    require(same, f"{what}: {found}, expected {expected}")


def refuse(model, *parts, command="train"):
    arguments = [command, model, *(("-o", folder / "none.safetensors") if command == "train" else ())]
    told = run(*arguments, code=1)[1]
    for part in parts:
        require(part in told, f"{model.name}: expected `{part}` in: {told}")


# ---- columns by position are those of training
(folder / "a.csv").write_text("age,size,y\n1,2,3\n4,5,6\n")
(folder / "swapped.csv").write_text("size,age,y\n2,1,3\n5,4,6\n")
(folder / "other.csv").write_text("age,width,y\n1,2,3\n")
(folder / "bare.csv").write_text("7.5,8,9\n")
by_position = write("position", '  from csv("a.csv")\n  x = columns[0:2]')
by_name = write("name", '  from csv("a.csv")\n  x = columns["age", "size"]')
weights, _, _ = train(by_position)
require(json.loads(read_safetensors(weights)[0]["gradus.fitted"])["columns"] == {"0": "age", "1": "size"}, "no names are saved")
require_rows(predict(by_position, weights, "--data", folder / "bare.csv"), [[7.5, 8]], "a table without header")
for command in ("predict", "eval"):
    told = run(command, by_position, "--weights", weights, "--data", folder / "swapped.csv", code=1)[1]
    require("position.grad:8:7: error: column 0 of `" in told and "swapped.csv` is `size`, in training it was `age`, which is column 1 here; "
            "names in place of positions find it [columns-differ]" in told, told)
told = run("predict", by_position, "--weights", weights, "--data", folder / "other.csv", code=1)[1]
require("column 1 of `" in told and "other.csv` is `width`, in training it was `size`; its columns are taken by position" in told, told)
weights, _, _ = train(by_name)
require_rows(predict(by_name, weights, "--data", folder / "swapped.csv"), [[1, 2], [4, 5]], "columns by name")
refuse(write("parts", '  from csv("a.csv", validation: "swapped.csv")\n  x = columns[0:2]'), "column 0 of `", "[columns-differ]")
(folder / "a.csv").write_text("size,age,y\n2,1,3\n5,4,6\n")
weights, _, _ = train(by_position)
(folder / "a.csv").write_text("age,size,y\n1,2,3\n4,5,6\n")
require("[columns-differ]" in run("train", by_position, "-o", weights, "--resume", code=1)[1], "a run goes on with other columns")
print("columns by position: named and compared")

# ---- a first row
for text, header, said, rows in (("2019,2020\n3.5,4\n", None, "`2019`, is taken for data; `header: true` takes it for a header", [[2019, 2020], [3.5, 4]]),
                                 ("2019,2020\n3.5,4\n", "true", "", [[3.5, 4]]),
                                 ("id,2020\n1,4\n2,5\n", None, "`id`, is taken for a header; `header: false` takes it for data", [[1, 4], [2, 5]]),
                                 ("a,b\n3.5,4\n", None, "", [[3.5, 4]]), ("1.5,2\n3.5,4\n", None, "", [[1.5, 2], [3.5, 4]])):
    (folder / "h.csv").write_text(text)
    model = write("header", f'  from csv("h.csv"{f", header: {header}" if header else ""})\n  x = columns[0:2]')
    weights, _, told = train(model)
    require(said in told and (said != "" or told == ""), f"{text}: {told}")
    require_rows(predict(model, weights), rows, text)
(folder / "flowers.csv").write_text("5,setosa\n4,virginica\n5,setosa\n")
model = write("flowers", '  from csv("flowers.csv")\n  x = columns[0]\n  kind = category(columns[1])', "x: float[batch], kind: int[batch]", "(x + 10 * float(kind))")
weights, _, told = train(model)
require("flowers.csv: its first row, which begins with `5`, is taken for data; `header: true` takes it for a header" in told, told)
require_rows(predict(model, weights), [[5], [14], [5]], "a first row with a word")
print("a header: guessed and said, or told")

# ---- how cells are parted and written
(folder / "de.csv").write_text("wert;ort\n1,5;NA\n-;Bonn\n2,25;NA\n")
TABLE = '  from csv("de.csv", {})\n  x = fill_missing(columns["wert"], 0)\n  kind = category(columns["ort"], unknown: 9)'
KIND = ("x: float[batch], kind: int[batch]", "(x + 10 * float(kind))")
model = write("german", TABLE.format('separator: ";", decimal: ",", missing: "-"'), *KIND)
require_rows(predict(model, train(model)[0]), [[11.5], [0], [12.25]], "NA is a town")
model = write("german", TABLE.format('separator: ";", decimal: ",", missing: ["-", "NA"]'), *KIND)
require_rows(predict(model, train(model)[0]), [[91.5], [0], [92.25]], "NA is missing")
refuse(write("german", TABLE.format('separator: ";", missing: "-"'), *KIND), "column `wert`: `1,5` is no number; `decimal: \",\"` reads it [bad-value]")
refuse(write("german", TABLE.format("header: true"), *KIND), "de.csv: line 2: 2 cells, expected 1", command="train")
(folder / "tabs.csv").write_text("a\tb\n1\t2\n3\t4\n")
model = write("tabs", '  from csv("tabs.csv", separator: "tab")\n  x = columns["a", "b"]')
require_rows(predict(model, train(model)[0]), [[1, 2], [3, 4]], "tabs")
refuse(write("tabs", '  from csv("tabs.csv")\n  x = columns["a", "b"]'),
       'tabs.csv: one column, in which a tab stands; `separator: "tab"` parts it', "has no column `a`")
for options, message in (('separator: ";;"', '7:33: error: `separator` is one character that stands in no number, or "tab", found ";;"'),
                         ('decimal: ","', "`decimal: \",\"` where a comma parts the cells"), ('decimal: ":"', '`decimal` is "." or ",", found ":"'),
                         ("missing: 4", "`missing` is a text in quotes, found `4`"), ("header: 2", "`header`"),
                         ('seperator: ";"', "did you mean `separator`?")):
    refuse(write("wrong", f'  from csv("de.csv", {options})\n  x = columns[0:2]'), message, command="show")
print("separator, decimal, missing: as told")


# ---- arrays
def npy(descr, sizes, data, order=False):
    header = repr({"descr": descr, "fortran_order": order, "shape": sizes}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data


numbers = list(range(12))
(folder / "a.npy").write_bytes(npy("<i4", (2, 3, 2), struct.pack("<12i", *numbers)))
ARRAY = '  x = npy("a.npy")'
for inputs, seen in (("x: float[batch, 3, 2]", "reshape(x, [batch, 6])"), ("x: float[batch, 6]", "x"), ("x: float[batch, 3, 1, 2]", "reshape(x, [batch, 6])")):
    model = write("sizes", ARRAY, inputs, seen)
    require_rows(predict(model, train(model)[0]), [numbers[:6], numbers[6:]], inputs)
for sizes in ("[batch, 2, 3]", "[batch, 6, 1, 2]"):
    parts = ["sizes.grad:1:9: error: input `x` is f32", "its data"] if "6" in sizes else \
        ["sizes.grad:1:9: error: input `x` is f32[batch,2,3]; its data are rows of [3, 2], as many numbers in another order; declare it as they "
         "are, and `permute` or `reshape` it in the model [data-mismatch]"]
    refuse(write("sizes", ARRAY, f"x: float{sizes}", "sum(x, axis: [1, 2])" if "6" not in sizes else "sum(x, axis: [1, 2, 3])"), *parts)
refuse(write("whole", "  x = linspace(1, 2, 4)\n  k = npy(\"a.npy\")", "x: float[batch], k: float[3, 2, 2]", "(x + sum(k))"),
       "input `k` is f32[3,2,2]; its data are [2, 3, 2], as many numbers in another order")
print("sizes: merged or parted, never swapped")

pairs = [[1, 2], [3, 4], [5, 6]]
flat, columns = [1, 2, 3, 4, 5, 6], [1, 3, 5, 2, 4, 6]
model = write("array", '  x = npy("x.npy")')
for descr, order, data in ((">f8", False, struct.pack(">6d", *flat)), (">i2", False, struct.pack(">6h", *flat)), ("<f2", False, struct.pack("<6e", *flat)),
                           (">f2", False, struct.pack(">6e", *flat)), ("<u2", False, struct.pack("<6H", *flat)), (">u4", False, struct.pack(">6I", *flat)),
                           ("<u8", False, struct.pack("<6Q", *flat)), ("<f4", True, struct.pack("<6f", *columns)), (">f4", True, struct.pack(">6f", *columns))):
    (folder / "x.npy").write_bytes(npy(descr, (3, 2), data, order))
    require_rows(predict(model, train(model)[0]), pairs, f"{descr}, order of columns {order}")


def npz(path, arrays, compression):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(data)


x, k = npy("<f8", (3, 2), struct.pack("<6d", *flat)), npy("|u1", (3, 2), bytes(flat[::-1]))
for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    npz(folder / "one.npz", {"anything": x}, compression)
    npz(folder / "two.npz", {"x": x, "k": k}, compression)
    for text, rows in (('npy("one.npz")', pairs), ('npy("two.npz")', pairs), ('npy("two.npz", array: "k")', [[6, 5], [4, 3], [2, 1]])):
        model = write("archive", f"  x = {text}")
        require_rows(predict(model, train(model)[0]), rows, text)
    model = write("bound", '  x = npy("one.npz")')
    require_rows(predict(model, train(model)[0], "--data", f"x={folder}/two.npz"), pairs, "--data of an archive")
npz(folder / "two.npz", {"a": x, "b": x}, zipfile.ZIP_STORED)
refuse(write("archive", '  x = npy("two.npz")'), "two.npz: several arrays; `array:` chooses one of `a`, `b` [bad-array]")
print("arrays of NumPy: read")

(folder / "long.csv").write_text("a,b\n3,0.5\n-5,4\n4294967296,0.25\n")
model = write("long", '  from csv("long.csv")\n  k = columns["a"]\n  z = columns["b"]', "k: i64[batch], z: f64[batch]", "(float(k) + float(z))")
# Printed as the shortest text of the float 2^32.
require_rows(predict(model, train(model)[0]), [[3.5], [-1], [4294967300]], "inputs of 64 bits")
print("inputs of 64 bits: whole")

# ---- what a file is instead
(folder / "empty").write_bytes(b"")
with zipfile.ZipFile(folder / "weights.pt", "w") as archive:
    archive.writestr("weights/data.pkl", "x")
(folder / "wide.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
(folder / "old.csv").write_bytes(b"a,b\r1,2\r3,4\r")
for data, message in (('x = npy("empty")', "empty: byte 0: no .npy file, it looks like an empty file"), ('x = idx("empty")', "empty: byte 0: no IDX file, it looks like an empty file"),
                      ('from csv("empty")\n x = columns[0:2]', "empty: no rows, it is an empty file"),
                      ('x = npy("weights.pt")', "weights.pt: an archive without arrays of NumPy, it looks like a file of torch.save (zip) [bad-array]")):
    refuse(write("odd", f"  {data}"), message)
bound = write("bare", "")
bound.write_text(bound.read_text().replace("data {\n\n}\n", ""))
for file, message in (("empty", "empty: an empty file, expected an IDX, .npy or .npz file"),
                      ("a.csv", "a.csv: text, expected an IDX, .npy or .npz file; a table is read by `from csv(..)` in the data block")):
    told = run("train", bound, "--data", f"x={folder / file}", "-o", folder / "none.safetensors", code=1)[1]
    require(message in told, told)
refuse(write("wide", '  from csv("wide.csv")\n  x = columns[0:2]'), "wide.csv: text in UTF-16, expected UTF-8; `iconv -f UTF-16 -t UTF-8` converts it [bad-table]")
refuse(write("old", '  from csv("old.csv")\n  x = columns[0:2]'), "old.csv: its lines end in CR alone, expected LF or CRLF")
for kind, message in (("wide.csv", "wide.csv: text in UTF-16"), ("empty", "empty: an empty file, expected a text")):
    refuse(write("text", f'  from text("{kind}", window: 2)\n  x = window[0:2]', "x: int[batch, 2]", "float(x)"), message)
print("other files: told as what they are")

# ---- what is fitted
(folder / "c.csv").write_text("a,b\n" + "14.62,0.3\n" * 5 + "14.62,0.30000000000000004\n" * 5)
(folder / "cv.csv").write_text("a,b\n14.63,0.31\n")
for function in ("standardize", "minmax"):
    model = write("constant", f'  from csv("c.csv", validation: "cv.csv")\n  x = {function}(columns["a", "b"])')
    weights, _, _ = train(model)
    require_rows(predict(model, weights), [[0, 0]] * 10 + [[0.01, 0.01]], function, 1e-6)
print("constant columns: at zero")

(folder / "w.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(60)))
model = write("windows", '  from csv("w.csv", window: 5)\n  x = standardize(window[0:4, "a"])\n  validation = 0.3', "x: float[batch, 4]")
weights, out, _ = train(model)
require("38 rows to train, 4 to validate, 0 to test (held-out windows do not overlap)" in out, out)
seen = [start + i for start in range(38) for i in range(4)]
mean = sum(seen) / len(seen)
deviation = (sum((a - mean) ** 2 for a in seen) / len(seen)) ** 0.5
require(mean == 20, f"the mean is {mean}")
expected = [[(start + i - mean) / deviation for i in range(4)] for start in range(56)]
require_rows(predict(model, weights), expected, "windows", 1e-6)
run("compile", model, "--weights", weights, "--raw-inputs", "-o", folder / "w.o", "--header", folder / "w.h")
require((folder / "w.h").read_text().count("(x - 20) / ") == 1, "the header does not say one fit")
print("windows: one fit for each column")

# ---- weights in halves
dense = folder / "dense.grad"
dense.write_text("model dense_model(x: float[batch, 2]) {\n  output y = dense(x, 3)\n  loss mean(y ^ 2)\n}\ndata { from csv(\"a.csv\"); x = columns[0:2] }\n"
                 "train { optimizer = sgd(rate: 0); steps = 1 }\n")
values = [1.5, -0.333251953125, 65504, 2 ** -24, -2 ** -14, 0]


def brain(value):
    return struct.pack("<f", value)[2:]


def safetensors(tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


half = struct.pack("<6e", *values)
rough = [1.5, -0.25, 2.0 ** 40, 2.0 ** -100, -3, 0]
for dtype, raw, wide in (("F16", half, values), ("BF16", b"".join(map(brain, rough)), rough)):
    (folder / "half.safetensors").write_bytes(safetensors({"y.w": (dtype, [2, 3], raw), "y.b": ("F32", [3], bytes(12))}))
    run("train", dense, "--init", folder / "half.safetensors", "-o", folder / "dense.safetensors")
    require(read_safetensors(folder / "dense.safetensors")[1]["y.w"] == wide, f"{dtype} is not widened exactly")
(folder / "half.safetensors").write_bytes(safetensors({"y.w": ("F32", [2, 3], bytes(24)), "y.b": ("F32", [3], bytes(12)), "old": ("F16", [6], half),
                                                      "older": ("F8_E4M3", [2], b"ab"), "new": ("F4", [4], b"ab")}))
run("train", dense, "--init", folder / "half.safetensors", "--partial", "-o", folder / "dense.safetensors")
told = run("train", dense, "--init", folder / "half.safetensors", "-o", folder / "dense.safetensors", code=1)[1]
require("`new` F4[4] is left over" in told, told)
print("weights of 16 bits: widened")
