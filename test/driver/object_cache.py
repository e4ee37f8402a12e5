"""The cache of compiled code as a user meets it: what hits, what misses, and that the bits never change."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
cache = pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "gradus"
digits = str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "digits.grad")


def run(*arguments, program=program, code=0):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    if done.returncode != code:
        sys.exit(f"gradus {' '.join(arguments)}: exit code {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def require(good, message):
    if not good:
        sys.exit(message)


def entries():
    return sorted(cache.glob("*.object"))


def train(name, *options):
    weights = folder / f"{name}.safetensors"
    run("train", digits, "--epochs", "1", "-o", str(weights), *options)
    return weights.read_bytes()


def hit(*options, program=program):
    return json.loads(run("bench", digits, "--json", "--cache", *options, program=program))["cached"]


# Train: off, cold, warm, damaged.
off = train("off", "--no-cache")
require(not cache.exists(), "--no-cache wrote a cache")
require(train("cold") == off, "other weights with a cold cache")
require(len(entries()) == 1, "the run kept no object")
before = entries()[0].stat()
require(train("warm") == off, "other weights with a warm cache")
require(len(entries()) == 1 and entries()[0].stat().st_ino == before.st_ino, "the second run wrote the object anew")
whole = entries()[0].read_bytes()
entries()[0].write_bytes(whole[:-9] + bytes([whole[-9] ^ 16]) + whole[-8:])
require(train("damaged") == off, "other weights with a damaged cache")
require(entries()[0].read_bytes() == whole, "the damaged object was not replaced by the same bytes")

# The other commands that run code in their process keep theirs too, each its own.
weights = ["--weights", str(folder / "cold.safetensors")]
for count, command in enumerate((["eval", digits, *weights], ["predict", digits, *weights, "-o", str(folder / "out.npy")],
                                 ["check", digits]), start=2):
    first = run(*command)
    require(len(entries()) == count, f"{command[0]} kept no object")
    require(run(*command) == first == run(*command, "--no-cache"), f"{command[0]} answers otherwise with a warm cache")
    require(len(entries()) == count, f"the second {command[0]} found no object")

# Bench is cold unless told otherwise, and leaves the cache alone.
cold = json.loads(run("bench", digits, "--json"))
require(cold["cached"] is False and len(entries()) == 4, "bench used the cache without --cache")
require(hit() is False, "a hit before the first run")
require(hit() is True, "no hit on the second run")
warm = json.loads(run("bench", digits, "--json", "--cache"))
require(warm["compile_ms"] < cold["compile_ms"], "a hit takes as long as the compiler")
require(json.loads(run("bench", digits, "--json"))["cached"] is False, "bench was fooled by a warm cache")
run("bench", digits, "--cache", "--no-cache", code=2)

# Another batch, another processor, another compiler: no hit.
require(hit("--batch", "16") is False, "a hit with another batch")
require(hit("--cpu", "x86-64-v3") is False, "a hit for another processor")
note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
image = bytearray(pathlib.Path(program).read_bytes())
at = image.find(note)
require(at > 0, "the program has no build id")
image[at + len(note)] ^= 1
other = folder / "gradus"
other.write_bytes(image)
other.chmod(0o755)
require(hit(program=str(other)) is False, "a hit with another build of gradus")
require(hit() is True, "the entry is gone")
image[at + 12:at + 15] = b"XXX"
other.write_bytes(image)
count = len(entries())
require([hit(program=str(other)) for _ in range(2)] == [False, False] and len(entries()) == count,
        "a program without build id keeps objects")

# A cache that cannot be written does not matter.
shutil.rmtree(cache)
cache.write_text("a file")
require(train("blocked") == off, "other weights without a cache folder")
