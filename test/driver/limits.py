"""limits.py GRADUS FOLDER: what ends by `ulimit`, and what would need more memory than any machine has."""
import pathlib
import re
import subprocess
import sys

gradus, folder = sys.argv[1], pathlib.Path(sys.argv[2])
failed = 0


def expect(command, codes, pattern, limit=""):
    global failed
    done = subprocess.run(["bash", "-c", f"{limit} exec {gradus} {command}"], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode in codes and re.search(pattern, done.stdout + done.stderr):
        return
    failed += 1
    print(f"{limit} {command}: exit {done.returncode}, expected {codes} and {pattern}\n{done.stdout[-500:]}{done.stderr[-500:]}")


(folder / "t.csv").write_text("a,b,y\n" + "1,2,3\n2,3,5\n3,4,7\n" * 4)
(folder / "small.grad").write_text("""model small(x: float[batch, 2], y: float[batch]) { loss mse(dense(x, 1)[:, 0], y) }
data { from csv("t.csv"); x = columns[0:2]; y = columns["y"] }
train { epochs = 1; batch = 2 }
""")
(folder / "wide.grad").write_text("""model wide(x: float[batch, 2], y: float[batch]) {
  output h = mean(dense(x, 4e11), axis: 1)
  loss mse(h, y)
}
data { from csv("t.csv"); x = columns[0:2]; y = columns["y"] }
train { epochs = 1; batch = 2 }
""")
(folder / "line.grad").write_text("model line(t: float[batch, 1]) { param w: float[1] = ones(); loss mean((t * w) ^ 2) }\n"
                                  "data { t = linspace(0, 1, 2147483648) }\ntrain { epochs = 1 }\n")
(folder / "deep.grad").write_text("model deep(x: float[batch, 4]) { output y = " + "(" * 199 + "x" + ")" * 199 + " }\n")
(folder / "calls.grad").write_text("model calls(x: float[batch, 4]) { output y = " + "abs(" * 195 + "x" + ")" * 195 + " }\n")
(folder / "sum.grad").write_text("model sum(x: float[batch, 4]) { output y = " + " + ".join(["x"] * 390) + " }\n")

# 8e11 parameters of 4 bytes: 2.9 TiB, and two states of Adam for each.
for command in ("train wide.grad -o w.safetensors", "bench wide.grad", "check wide.grad"):
    expect(command, [4], r"error: `wide`.* needs \d+\.\d TiB.* this process can have")
expect("train line.grad -o w.safetensors", [4], r"error: the data set in memory needs 40\.0 GiB", "ulimit -v 30000000;")

out_of_memory = r"^gradus: error: out of memory\n$"
for kilobytes in range(160000, 320000, 4000):
    expect("train small.grad -o w.safetensors --no-cache", [0, 4, 70, 127],
           rf"finished at step|{out_of_memory}|this process can have|cannot|error while loading", f"ulimit -v {kilobytes};")
expect("show - < <(yes 'let a = 1' | head -c 8000000)", [70], out_of_memory, "ulimit -v 400000;")

for file in ("deep.grad", "calls.grad", "sum.grad"):
    for kilobytes in (128, 256, 512):
        expect(f"show {file} --emit=plan", [0], "program @", f"ulimit -s {kilobytes};")
        expect(f"bench {file} --compile-only", [0], "compiled in", f"ulimit -s {kilobytes};")

print("every limit is told" if failed == 0 else f"{failed} failed")
