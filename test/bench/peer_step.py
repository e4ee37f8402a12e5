#!/usr/bin/env python3
"""peer_step.py SYSTEM WORKLOAD BATCH THREADS SECONDS [STEPS]: microseconds of one training step in another system, as JSON.

Systems: torch-eager, torch-compile, jax, jax-scan (a loop of steps inside one compiled function). The workloads are those of
test/bench/models, on a pool of 16 random batches that lie in memory; a sample is 20 ms or longer, the answer their median. It runs
for so many seconds, and at least so many steps. memory_growth_bytes is the peak of the process at the end less what was resident
when the system had been imported; what its compilers take in processes of their own does not count.
"""
import json
import math
import statistics
import sys
import time

import numpy

POOL = 16
PERCEPTRONS = {  # sizes, activation, optimizer, whether the target is the input
    "tiny": ([64, 32, 10], "relu", "adam", False),
    "mlp": ([784, 256, 10], "relu", "sgd", False),
    "deep": ([512] * 12 + [10], "gelu", "adam", False),
    "autoencoder": ([640] + [128] * 4 + [8] + [128] * 4 + [640], "relu", "adam", True),
}
WIDTH, HEADS, CONTEXT, VOCABULARY, BLOCKS = 128, 4, 64, 65, 2
random = numpy.random.default_rng(0)


def glorot(rows, columns):
    limit = math.sqrt(6 / (rows + columns))
    return random.uniform(-limit, limit, (rows, columns)).astype(numpy.float32)


def first_weights(workload):
    ones, zeros = (lambda n: numpy.ones(n, numpy.float32)), (lambda n: numpy.zeros(n, numpy.float32))
    if workload in PERCEPTRONS:
        sizes = PERCEPTRONS[workload][0]
        return {f"{kind}{i}": value for i, (m, n) in enumerate(zip(sizes, sizes[1:])) for kind, value in (("w", glorot(m, n)), ("b", zeros(n)))}
    normal = lambda *shape: (0.02 * random.standard_normal(shape)).astype(numpy.float32)
    weights = {"token": normal(VOCABULARY, WIDTH), "position": normal(CONTEXT, WIDTH), "head": glorot(WIDTH, VOCABULARY)}
    norms, products = ["final"], []
    for i in range(BLOCKS):
        norms += [f"{i}.before", f"{i}.between"]
        products += [(f"{i}.qkv", WIDTH, 3 * WIDTH), (f"{i}.join", WIDTH, WIDTH), (f"{i}.up", WIDTH, 4 * WIDTH), (f"{i}.down", 4 * WIDTH, WIDTH)]
    for name in norms:
        weights |= {name + ".gain": ones(WIDTH), name + ".shift": zeros(WIDTH)}
    for name, m, n in products:
        weights |= {name + ".w": glorot(m, n), name + ".b": zeros(n)}
    return weights


def batches(workload, batch):
    for _ in range(POOL):
        if workload not in PERCEPTRONS:
            text = random.integers(0, VOCABULARY, (batch, CONTEXT + 1)).astype(numpy.int32)
            yield text[:, :-1].copy(), text[:, 1:].copy()
            continue
        sizes, _, _, same = PERCEPTRONS[workload]
        x = random.random((batch, sizes[0]), dtype=numpy.float32)
        yield x, x if same else random.integers(0, sizes[-1], batch).astype(numpy.int32)


def perceptron(p, x, layers, activation):
    for i in range(layers):
        x = x @ p[f"w{i}"] + p[f"b{i}"]
        x = activation(x) if i + 1 < layers else x
    return x


def transformer(p, text, attend, normalize, gelu):
    """Logits; `attend` gives causal attention of a fused projection [batch, context, 3 * width]."""
    x = p["token"][text] + p["position"]
    norm = lambda x, name: normalize(x, p[name + ".gain"], p[name + ".shift"])
    dense = lambda x, name: x @ p[name + ".w"] + p[name + ".b"]
    for i in range(BLOCKS):
        x = x + dense(attend(dense(norm(x, f"{i}.before"), f"{i}.qkv")), f"{i}.join")
        x = x + dense(gelu(dense(norm(x, f"{i}.between"), f"{i}.up")), f"{i}.down")
    return norm(x, "final") @ p["head"]


def torch_step(workload, batch, threads, compiled):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    p = {name: torch.nn.Parameter(torch.from_numpy(value)) for name, value in first_weights(workload).items()}
    pool = [(torch.from_numpy(x), torch.from_numpy(y) if y.dtype == numpy.float32 else torch.from_numpy(y).long()) for x, y in batches(workload, batch)]

    def attend(qkv):
        parts = qkv.view(-1, CONTEXT, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).reshape(-1, CONTEXT, WIDTH)

    def loss_of(x, y):
        if workload not in PERCEPTRONS:
            logits = transformer(p, x, attend, lambda x, g, b: F.layer_norm(x, (WIDTH,), g, b), F.gelu)
            return F.cross_entropy(logits.reshape(-1, VOCABULARY), y.reshape(-1))
        sizes, activation, _, same = PERCEPTRONS[workload]
        out = perceptron(p, x, len(sizes) - 1, getattr(F, activation))
        return F.mse_loss(out, y) if same else F.cross_entropy(out, y)

    fused = {} if compiled else {"fused": True}
    kind = PERCEPTRONS[workload][2] if workload in PERCEPTRONS else "adamw"
    optimizer = {"sgd": lambda: torch.optim.SGD(p.values(), lr=0.1, **fused), "adam": lambda: torch.optim.Adam(p.values(), lr=1e-3, **fused),
                 "adamw": lambda: torch.optim.AdamW(p.values(), lr=1e-3, weight_decay=0.01, **fused)}[kind]()
    update = optimizer.step
    if compiled:
        import torch._inductor.config as config
        config.cpp_wrapper = True
        loss_of = torch.compile(loss_of, fullgraph=True, dynamic=False)
        update = torch.compile(lambda: optimizer.step())

    def step(number):
        optimizer.zero_grad(set_to_none=True)
        loss_of(*pool[number % POOL]).backward()
        update()
    return step, 1


def jax_step(workload, batch, scanned):
    import jax
    import jax.numpy as np
    weights = {name: np.asarray(value) for name, value in first_weights(workload).items()}
    pool = [(np.asarray(x), np.asarray(y)) for x, y in batches(workload, batch)]
    cross_entropy = lambda z, y: -np.mean(np.take_along_axis(jax.nn.log_softmax(z), y[..., None], -1))
    gelu = lambda x: jax.nn.gelu(x, approximate=False)

    def normalize(x, gain, shift):
        centred = x - np.mean(x, -1, keepdims=True)
        return centred * jax.lax.rsqrt(np.mean(centred ** 2, -1, keepdims=True) + 1e-5) * gain + shift

    def attend(qkv):
        q, k, v = qkv.reshape(-1, CONTEXT, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
        scores = np.einsum("bhik,bhjk->bhij", q, k) / math.sqrt(WIDTH // HEADS)
        scores = np.where(np.tril(np.ones((CONTEXT, CONTEXT), bool)), scores, -np.inf)
        return np.einsum("bhij,bhjk->bhik", jax.nn.softmax(scores), v).transpose(0, 2, 1, 3).reshape(-1, CONTEXT, WIDTH)

    def loss_of(p, x, y):
        if workload not in PERCEPTRONS:
            return cross_entropy(transformer(p, x, attend, normalize, gelu), y)
        sizes, activation, _, same = PERCEPTRONS[workload]
        out = perceptron(p, x, len(sizes) - 1, gelu if activation == "gelu" else jax.nn.relu)
        return np.mean((out - y) ** 2) if same else cross_entropy(out, y)

    kind = PERCEPTRONS[workload][2] if workload in PERCEPTRONS else "adamw"

    def update(state, x, y):
        p, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        if kind == "sgd":
            return (jax.tree.map(lambda p, g: p - 0.1 * g, p, g), m, v, t), loss
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        kept = 1 - 1e-5 if kind == "adamw" else 1
        p = jax.tree.map(lambda p, m, v: kept * p - 1e-3 * (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8), p, m, v)
        return (p, m, v, t), loss

    zeros = lambda: {} if kind == "sgd" else jax.tree.map(np.zeros_like, weights)
    state = [(weights, zeros(), zeros(), np.zeros((), np.float32))]
    if scanned:
        xs, ys = np.stack([x for x, _ in pool]), np.stack([y for _, y in pool])
        many = jax.jit(lambda s, turns: jax.lax.scan(lambda s, i: update(s, xs[i], ys[i]), s, turns), donate_argnums=0)
        count = 50 if workload in ("tiny", "mlp", "autoencoder") else 5

        def steps(number):
            state[0], losses = many(state[0], (np.arange(count) + number * count) % POOL)
            losses.block_until_ready()
        return steps, count
    one = jax.jit(update, donate_argnums=0)

    def step(number):
        state[0], loss = one(state[0], *pool[number % POOL])
        loss.block_until_ready()
    return step, 1


def process_bytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def start(system):
    """Imports the system, so that what follows is its work for the workload."""
    if system.startswith("torch"):
        import torch  # noqa: F401
    else:
        import jax
        jax.numpy.zeros(1).block_until_ready()
    return process_bytes("VmRSS")


def main():
    system, workload, batch, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    least = int(sys.argv[6]) if len(sys.argv) > 6 else 0
    start_bytes = start(system)
    step, count = torch_step(workload, batch, threads, system == "torch-compile") if system.startswith("torch") else jax_step(workload, batch, system == "jax-scan")
    number = 0
    for number in range(3):
        step(number)
    begin = time.perf_counter()
    step(3)
    turns = max(1, math.ceil(0.02 / (time.perf_counter() - begin)))
    samples, end = [], time.perf_counter() + seconds
    while len(samples) < 5 or time.perf_counter() < end or (number + 1) * count < least:
        begin = time.perf_counter()
        for _ in range(turns):
            number += 1
            step(number)
        samples.append((time.perf_counter() - begin) / turns / count * 1e6)
    print(json.dumps({"step_us": statistics.median(samples), "steps": (number + 1) * count,
                      "memory_growth_bytes": process_bytes("VmHWM") - start_bytes}))


if __name__ == "__main__":
    main()
