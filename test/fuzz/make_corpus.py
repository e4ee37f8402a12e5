#!/usr/bin/env python3
"""Writes the seeds of the fuzzers: corpus/<target>/valid-* and corpus/<target>/mutated-*.

The same tree gives the same files, whatever the machine. What a fuzzer found stands beside them as
found-* and is left alone. Texts are taken from the tests and the examples, arrays are made here.
"""

import gzip
import json
import random
import re
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MOST = 6000  # bytes of a seed: small files are mutated faster
EXTREMES = ["0", "-1", "1", "2147483647", "4294967296", "9223372036854775807", "99999999999999999999",
            "1e308", "1e-320", "nan", "-inf"]


# ---- arrays ----

def idx(kind, sizes, data):
    return bytes([0, 0, kind, len(sizes)]) + b"".join(struct.pack(">I", s) for s in sizes) + data


def idx_seeds():
    yield idx(0x08, [2, 2, 3], bytes(range(12)))
    yield idx(0x08, [5], bytes(range(5)))
    yield idx(0x09, [2, 2], bytes([0, 127, 128, 255]))
    yield idx(0x0B, [3], struct.pack(">3h", -2, 0, 300))
    yield idx(0x0C, [2, 1], struct.pack(">2i", -70000, 70000))
    yield idx(0x0D, [2, 2], struct.pack(">4f", 0.5, -1.5, float("nan"), float("inf")))
    yield idx(0x0E, [1, 2], struct.pack(">2d", 1e300, -0.0))
    yield idx(0x08, [1] * 8, b"x")
    yield idx(0x08, [0xFFFFFFFF] * 8, b"x")
    yield idx(0x0E, [0x80000000, 0x40000000], b"x")
    yield idx(0x08, [0, 0xFFFFFFFF], b"")
    yield idx(0x08, [3], b"xx")
    yield idx(0x08, [3], b"xxxx")
    yield idx(0x07, [1], b"x")
    yield b"\0\0\x08\xff" + b"\0\0\0\1" * 20


def npy(descr, shape, data, version=1, order="False"):
    header = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)
    start = 8 + (2 if version == 1 else 4)
    header += " " * (-(start + len(header) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def npy_seeds():
    yield npy("<f4", "(2, 3)", struct.pack("<6f", *range(6)))
    yield npy("<f8", "(2,)", struct.pack("<2d", 0.1, float("nan")))
    yield npy("<i2", "(2, 1, 1)", struct.pack("<2h", -5, 5), 2)
    yield npy("<i4", "(1, 2)", struct.pack("<2i", -5, 5), 3)
    yield npy("<i8", "(2,)", struct.pack("<2q", -2**63, 2**63 - 1))
    yield npy("|i1", "(3,)", b"\x80\0\x7f")
    yield npy("|u1", "(3,)", b"\x80\0\xff")
    yield npy("|b1", "(2, 2)", b"\0\1\1\0")
    yield npy(">f4", "(1,)", b"1234")
    yield npy("|O", "(1,)", b"1234")
    yield npy("<f4", "()", b"1234")
    yield npy("<f4", "(1,)", b"1234", 1, "True")
    yield npy("<f4", "(4611686018427387904, 4)", b"1234")
    yield npy("<f4", "(9223372036854775807,)", b"1234")
    yield npy("<f4", "(" + "1," * 300 + ")", b"1234")
    yield npy("<f4", "(1 2,)", b"1" * 48)
    yield b"\x93NUMPY\2\0\xff\xff\xff\x7f{'descr': '<f4'"
    yield b"\x93NUMPY\1\0\x06\0{'desc"


# ---- safetensors ----

def safetensors(header, data=b""):
    text = header if isinstance(header, str) else json.dumps(header)
    text = text.encode() + b" " * (-len(text.encode()) % 8)
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    yield safetensors({})
    yield safetensors({"w": entry("F32", [2, 2], 0, 16)}, bytes(16))
    yield safetensors({"w": entry("F32", [1], 0, 4), "b": entry("F64", [], 4, 12), "n": entry("I64", [1], 12, 20),
                       "m": entry("BOOL", [3], 20, 23), "i": entry("I32", [0], 23, 23)}, bytes(23))
    yield safetensors({"__metadata__": {"a": "b", "é": "\u20ac\U0001F600"}, "w": entry("I32", [1], 0, 4)}, bytes(4))
    state = {"step": 3, "loss_sum": "0x1p-1", "loss_rows": 4, "has_best": True, "best": "0x1p-2", "reference": "nan",
             "waited": 1, "best_step": 2, "finished": False, "metrics": ["accuracy"]}
    for change in [{}, {"step": -1}, {"step": 1e300}, {"step": "3"}, {"metrics": 3}, {"best": 1}, {"waited": None}]:
        yield safetensors({"__metadata__": {"gradus.training": json.dumps(state | change)},
                           "gradus:history": entry("F64", [1, 6], 0, 48)}, struct.pack("<6d", 1, 3, 0.5, 1, 0.25, 0.75))
    yield safetensors({"__metadata__": {"gradus.training": json.dumps(state)},
                       "gradus:history": entry("F64", [1, 6], 0, 48)}, struct.pack("<6d", float("nan"), 1e300, 0, 1, 0, 0))
    yield safetensors({"__metadata__": {"gradus.training": "[" * 2000}})
    yield safetensors('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))
    yield safetensors({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12))
    yield safetensors({"a": entry("F32", [2], 0, 9)}, bytes(12))
    yield safetensors({"a": entry("F32", [2], 8, 0)}, bytes(12))
    yield safetensors({"a": entry("F32", [2**62, 4], 0, 8)}, bytes(8))
    yield safetensors({"a": entry("F32", [2**64], 0, 8)}, bytes(8))
    yield safetensors({"a": entry("F32", [-1], 0, 8)}, bytes(8))
    yield safetensors({"a": entry("BF16", [1], 0, 2)}, bytes(2))
    yield safetensors("[" * 3000)
    yield safetensors('{"a":' * 500)
    yield safetensors('{"a":{"shape":' + "[" * 900)
    yield struct.pack("<Q", 2**64 - 1) + b"{}"
    yield struct.pack("<Q", 2**24 + 1) + b"{}"


# ---- tables and streams ----

def csv_seeds():
    yield b"a,b,c\n1,2,3\n4,5,6\n"
    yield b"1,2\r\n3,4\r\n"
    yield b"\xef\xbb\xbfx,y\n1,\n,2\n"
    yield b'name,n\n"a, ""b""",1\n"two\nlines",2\n'
    yield b"1,NA,nan\nNaN,,2\n"
    yield b"\n\n1\n \t\n2\n\n"
    yield b"1e308,-1e-308,+5,.5,5.,inf,-inf,1e999,1e-999\n"
    yield b"1,2\n3\n"
    yield b'1,"2\n3,4\n'
    yield b"1,2\r3,4\r"
    yield b'"a"b,"c"" ",  "d"\n1,2,3\n'
    yield b",\n,\n,\n"
    yield b'""\n""\n'
    yield b"x\0y,\xff\xfe\n1,2\n"
    yield b"," * 3000
    yield b"\n".join(b"%d,%d" % (i, i * i) for i in range(100))
    yield b"\n\n".join(b'"%d\n",x' % i for i in range(40))
    yield b""
    yield b'"'


def gzip_seeds():
    def pack(data, level=9):
        return gzip.compress(data, level, mtime=0)
    yield pack(b"")
    yield pack(b"hello")
    yield pack(b"hello", 0)
    yield pack(bytes(range(256)) * 4)
    yield pack(b"one") + pack(b"two")
    yield pack(b"one") + b"\0" * 9
    yield pack(b"one") + b"\x1f\x8b"
    yield pack(bytes(1 << 20))
    yield b"\x1f\x8b"
    yield b"\x1f\x8b\x08\x1f" + bytes(6) + b"\xff\xff" + b"name"
    yield b"no stream"


# ---- texts ----

def raw_strings(word):
    """The texts that tests hold between R\"( and )\"."""
    for path in sorted((ROOT / "test").rglob("*_test.cpp")):
        for text in re.findall(r'R"\((.*?)\)"', path.read_text(), re.S):
            if re.match(r"\s*" + word + r"\b", text):
                yield text.encode()


def graph_seeds():
    for path in sorted((ROOT / "test").rglob("*.gir")):
        for graph in re.findall(r"graph @.*?\n}\n", path.read_text(), re.S):
            yield graph.encode()
    yield from raw_strings("graph")


def kernel_seeds():
    yield from raw_strings("kernel")


def plan_seeds():
    yield from raw_strings("program")
    for path in sorted((ROOT / "test" / "plan").glob("*.plan")):
        yield b"".join(line for line in path.read_bytes().splitlines(True) if not line.startswith(b"//"))


def model_seeds():
    for folder in ["examples", "test/lang/Inputs"]:
        for path in sorted((ROOT / folder).glob("*.grad")):
            yield path.read_bytes()
    yield b"model m(x: float[batch, 4], y: int[batch]) { loss mean(cross_entropy(dense(x, 3), y)) } train { optimizer = sgd(rate: 0.1); steps = 1 }"
    yield b"model m(x: float[3]) { param w: float[3]; let y = w * x; loss sum(y * grad(sum(y * y), w)) } train { optimizer = adam(rate: 0.1); steps = 1 }"
    yield b"model m(x: float[batch, 2]) { output y = " + b"(" * 500 + b"x" + b")" * 500 + b" }"
    yield b"model m(x: float[batch, 2]) { output y = " + b"-" * 2000 + b"x }"
    yield b"model m(x: float[batch, 999999999999999999999]) { output y = x }"
    yield b"model m(x: float[2147483647, 2147483647, 2147483647]) { output y = x }"
    for line in ["repeat 1000000000 { x = x + 1 }", "repeat 100 { repeat 100 { } }", "let y = dense(x, 2000000000)",
                 "let y = dense(dense(x, 3000000000), 3000000000)", "let y = dense(x, -1)", "let y = dense(x, 0)",
                 "let y = dense(x, 4 / 0)", "let y = dense(x, 4 // 0)", "let y = dense(x, 10 ^ 100)",
                 "let y = dense(x, 9223372036854775807 + 1)", "let y = dense(x, (-9223372036854775807 - 1) / -1)",
                 "let y = zeros([9223372036854775807, 9223372036854775807])", "let y = x[:, ::0]", "let y = x[:, ::-1]",
                 "let y = x[:, 9223372036854775807:-9223372036854775807]", "let y = x" + " ^ 2" * 300,
                 "let y = " + "sum(grad(" * 4 + "sum(x ^ 3)" + ", x))" * 4]:
        yield ("model m(x: float[batch, 4]) {\n %s\n loss sum(x * x) / batch\n}\n"
               "train { optimizer = adam(rate: 0.1); steps = 1 }\n" % line).encode()
    yield (b"fn f(x: float[...]) -> float[...] { return g(x) }\nfn g(x: float[...]) -> float[...] { return f(x) }\n"
           b"model m(x: float[batch, 4]) { output y = f(x) }\n")


# ---- mutations ----

def mutate_bytes(seed, rng):
    data = bytearray(seed)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        action = rng.randrange(5)
        if action == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif action == 1 and at < len(data):
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif action == 2:
            del data[at:]
        elif action == 3:
            data[at:at] = data[at:at + rng.randint(1, 16)]
        else:
            del data[at:at + rng.randint(1, 8)]
    return bytes(data)


def mutate_text(seed, rng):
    words = re.findall(rb"\w+|\s+|[^\w\s]", seed)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(words))
        action = rng.randrange(6)
        if action == 0:
            del words[at]
        elif action == 1:
            words.insert(at, words[rng.randrange(len(words))])
        elif action == 2:
            words[at] = words[rng.randrange(len(words))]
        elif action == 3:
            numbers = [i for i, w in enumerate(words) if w.isdigit()]
            if numbers:
                words[rng.choice(numbers)] = rng.choice(EXTREMES).encode()
        elif action == 4:
            lines = seed.count(b"\n")
            words[at] = words[at] + b"".join(words[at:at + rng.randint(1, 40)]) if lines else words[at]
        else:
            del words[at + 1:]
        if not words:
            words = [b"x"]
    return b"".join(words)


TARGETS = {"csv": (csv_seeds, mutate_bytes, 60), "gzip": (gzip_seeds, mutate_bytes, 30), "idx": (idx_seeds, mutate_bytes, 60),
           "npy": (npy_seeds, mutate_bytes, 60), "safetensors": (safetensors_seeds, mutate_bytes, 60),
           "graph": (graph_seeds, mutate_text, 80), "kernel": (kernel_seeds, mutate_text, 60),
           "plan": (plan_seeds, mutate_text, 60),
           "model": (model_seeds, mutate_text, 80)}


def main():
    for target, (seeds, mutate, count) in TARGETS.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in [*folder.glob("valid-*"), *folder.glob("mutated-*")]:
            old.unlink()
        rng = random.Random(target)
        valid = list(dict.fromkeys(s for s in seeds() if len(s) <= MOST))
        for i, seed in enumerate(valid):
            (folder / f"valid-{i:02}").write_bytes(seed)
        for i in range(count):
            (folder / f"mutated-{i:02}").write_bytes(mutate(rng.choice([s for s in valid if s]), rng))
        print(f"{target}: {len(valid)} seeds, {count} mutations")


if __name__ == "__main__":
    main()
