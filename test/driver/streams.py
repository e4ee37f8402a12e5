"""streams.py GRADUS EXAMPLES FOLDER: exit codes where standard streams are full, closed, or take no UTF-8."""
import json
import os
import pathlib
import subprocess
import sys

gradus, examples, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
line = f"{examples}/line.grad"
failed = 0


def expect(what, found, expected):
    global failed
    if found != expected:
        failed += 1
        print(f"{what}: {found}, expected {expected}")


def shell(command):
    done = subprocess.run(["bash", "-c", command.replace("gradus", gradus)], cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


FULL = "gradus: error: cannot write to the standard output\n"
for command in ("ops", "ops tanh", "ops --json", "functions", "functions dense", "functions --json", f"show {line}", "show --library",
                f"show {line} --emit=ast", f"show {line} --dump-after all", f"check {line}", "opt --list-passes", "--help",
                "train --help", "--version", f"bench {line} --compile-only"):
    expect(f"{command} > /dev/full", shell(f"gradus {command} > /dev/full"), (1, FULL))
    expect(f"{command} >&-", shell(f"gradus {command} >&-"), (1, FULL))
for stream in ("2> /dev/full", "2>&-"):
    expect(f"show nothing {stream}", shell(f"gradus show nothing.grad {stream}")[0], 1)
    expect(f"no command {stream}", shell(f"gradus nocommand {stream}")[0], 2)
    expect(f"remarks {stream}", shell(f"gradus show {line} --remarks --time-passes {stream}")[0], 0)

# The files of a run are none of the closed streams, and a run goes on though nobody reads it.
expect("closed streams", shell(f"gradus train {line} -o closed.safetensors --epochs 2 >&- 2>&- <&-")[0], 1)
expect("full output", shell(f"gradus train {line} -o full.safetensors --epochs 2 > /dev/full"), (1, FULL))
expect("weights", shell("cmp closed.safetensors full.safetensors"), (0, ""))
expect("input", shell("gradus show - <&-")[0], 1)

# Any bytes may name a file.
name = b"w\xff.safetensors"
done = subprocess.run([gradus.encode(), b"train", line.encode(), b"--json", b"--epochs", b"1", b"-o", name], cwd=folder, capture_output=True)
expect("no UTF-8", (done.returncode, json.loads(done.stdout)["weights"]), (0, "w\ufffd.safetensors"))
expect("its file", os.path.exists(os.fsencode(folder) + b"/" + name), True)

print("every command ends as it should" if failed == 0 else f"{failed} failed")
