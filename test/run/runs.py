"""What the tests of whole runs share: starting gradus, reading the files that it leaves."""
import array
import csv
import json
import pathlib
import subprocess
import sys

examples = pathlib.Path(__file__).resolve().parents[2] / "examples"


def gradus(*arguments, code=0):
    """Standard output of a run that must end with `code`."""
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    if done.returncode != code:
        sys.exit(f"gradus {' '.join(map(str, arguments))}: exit code {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def require(good, message):
    if not good:
        sys.exit(message)


def read_safetensors(path):
    """Metadata, and float tensors as lists."""
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = {"F32": "f", "F64": "d", "I32": "i"}.get(entry["dtype"])
        tensors[name] = array.array(kind or "b", data[8 + length + begin:8 + length + end]).tolist()
    return header.get("__metadata__", {}), tensors


def read_table(path):
    return list(csv.DictReader(open(path, newline="")))


def require_same_files(first, second, *endings):
    for ending in endings:
        a, b = pathlib.Path(f"{first}{ending}"), pathlib.Path(f"{second}{ending}")
        require(a.read_bytes() == b.read_bytes(), f"{a} and {b} differ")
