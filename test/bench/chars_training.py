#!/usr/bin/env python3
"""chars_training.py GRADUS PYTHON [--threads T] [--rounds N] [--steps S]: training examples/chars.grad beside eager PyTorch.

Each round trains S of the 2,600 steps with either, in turn, on the same processors: the recipe of the example, windows of its text
drawn at random. Of Gradus the whole process counts, compiling and reading included; of PyTorch the steps alone. The ratio is below 1
where Gradus is faster. PYTHON has PyTorch.
"""
import argparse
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
BLOCKS, WIDTH, HEADS, CONTEXT, BATCH, STEPS, WARMUP = 4, 128, 4, 64, 32, 2600, 100


def torch_seconds(threads, count):
    """Seconds of `count` steps of the same model in PyTorch."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    text = (EXAMPLES / "data" / "tinyshakespeare.txt").read_text()
    order = {character: i for i, character in enumerate(sorted(set(text)))}
    numbers = torch.tensor([order[character] for character in text])

    def parameter(*sizes, std=None, value=None):
        tensor = torch.empty(*sizes)
        if value is not None:
            tensor.fill_(value)
        elif std:
            tensor.normal_(std=std)
        else:
            torch.nn.init.xavier_uniform_(tensor)
        return torch.nn.Parameter(tensor)

    p = {"token": parameter(len(order), WIDTH, std=0.02), "position": parameter(CONTEXT, WIDTH, std=0.02)}
    norms, products = ["final"], []
    for i in range(BLOCKS):
        norms += [f"{i}.before", f"{i}.between"]
        products += [(f"{i}.qkv", WIDTH, 3 * WIDTH), (f"{i}.join", WIDTH, WIDTH), (f"{i}.up", WIDTH, 4 * WIDTH), (f"{i}.down", 4 * WIDTH, WIDTH)]
    for name in norms:
        p |= {name + ".gain": parameter(WIDTH, value=1.0), name + ".bias": parameter(WIDTH, value=0.0)}
    for name, rows, columns in products:
        p |= {name + ".w": parameter(rows, columns), name + ".b": parameter(columns, value=0.0)}
    norm = lambda x, name: F.layer_norm(x, (WIDTH,), p[name + ".gain"], p[name + ".bias"])
    dense = lambda x, name: x @ p[name + ".w"] + p[name + ".b"]
    optimizer = torch.optim.AdamW(p.values(), lr=1e-3, weight_decay=0.01, fused=True)

    def step(number):
        starts = torch.randint(len(numbers) * 9 // 10 - CONTEXT, (BATCH, 1)) + torch.arange(CONTEXT + 1)
        window = numbers[starts]
        rate = number / WARMUP if number < WARMUP else 0.5 * (1 + math.cos(math.pi * (number - WARMUP) / (STEPS - WARMUP)))
        optimizer.param_groups[0]["lr"] = 1e-3 * rate
        optimizer.zero_grad(set_to_none=True)
        x = p["token"][window[:, :-1]] + p["position"]
        for i in range(BLOCKS):
            qkv = dense(norm(x, f"{i}.before"), f"{i}.qkv").view(BATCH, CONTEXT, 3, HEADS, WIDTH // HEADS)
            seen = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4), is_causal=True)
            x = x + dense(seen.transpose(1, 2).reshape(BATCH, CONTEXT, WIDTH), f"{i}.join")
            x = x + dense(F.gelu(dense(norm(x, f"{i}.between"), f"{i}.up")), f"{i}.down")
        logits = norm(x, "final") @ p["token"].T
        loss = F.cross_entropy(logits.reshape(-1, len(order)), window[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()
        return float(loss.detach())

    begin = time.perf_counter()
    for number in range(1, count + 1):
        step(number)
    return time.perf_counter() - begin


def gradus_seconds(gradus, threads, count):
    with tempfile.TemporaryDirectory() as folder:
        command = [gradus, "train", str(EXAMPLES / "chars.grad"), "--threads", str(threads), "--stop-after", str(count), "--no-cache",
                   "-o", folder + "/chars.safetensors"]
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gradus")
    parser.add_argument("python")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--torch", action="store_true", help="print PyTorch's seconds alone: what each round runs by PYTHON")
    arguments = parser.parse_args()
    if arguments.torch:
        print(torch_seconds(arguments.threads, arguments.steps))
        return
    command = [arguments.python, __file__, arguments.gradus, arguments.python, "--torch", "--threads", str(arguments.threads),
               "--steps", str(arguments.steps)]
    ratios = []
    for _ in range(arguments.rounds):
        ours = gradus_seconds(arguments.gradus, arguments.threads, arguments.steps)
        theirs = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ratios.append(ours / theirs)
        print(f"{arguments.steps} steps: gradus {ours:.1f} s, torch-eager {theirs:.1f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    sys.exit(main())
