#!/usr/bin/env python3
"""Writes derivatives.safetensors, from JAX alone in f64: random points, and the second and third derivatives of functions there.

Needs jax and safetensors. Points are f32 and i32, derivatives f64, all under the names of Inputs/derivatives_reference.grad.
"""
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from safetensors.numpy import save_file

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(11)


def draw(*sizes):
    return (0.8 * rng.standard_normal(sizes)).astype(np.float32)


points = {name: draw(4, 6) for name in ("x", "y", "v")}
points["positive"] = rng.uniform(0.5, 2, (4, 6)).astype(np.float32)
points |= {"gain": draw(6), "bias": draw(6)}
points |= {name: draw(2, 5, 4) for name in ("query", "key", "value", "along")}
points |= {"first": draw(6, 5), "second": draw(5, 5), "along_first": draw(6, 5), "along_second": draw(5, 5)}
points |= {"table": draw(7, 6), "along_table": draw(7, 6)}
points |= {"index": np.array([3, 0, 3, 6], np.int32), "label": np.array([5, 0, 2, 2], np.int32)}
p = {name: jnp.asarray(value, jnp.float64 if value.dtype == np.float32 else jnp.int32) for name, value in points.items()}
x, y, v, positive, first, second = (p[name] for name in ("x", "y", "v", "positive", "first", "second"))


def hessian_times(f, at, along):
    return jax.jvp(jax.grad(f), (at,), (along,))[1]


def norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    return jnp.sum(jnp.sin(centred / jnp.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5) * gain + bias) * y)


def seen(query, key, value):
    scores = query @ jnp.swapaxes(key, -1, -2) / jnp.sqrt(4.0)
    scores = jnp.where(jnp.tril(jnp.ones((5, 5), bool)), scores, -jnp.inf)
    return jnp.sum((jax.nn.softmax(scores, axis=-1) @ value) ** 2)


def outcome(x, first, second):
    hidden = jax.nn.gelu(jnp.tanh(x @ first) @ second, approximate=False)
    return jnp.mean(jax.nn.softplus(jax.nn.silu(hidden @ second) @ second) ** 2)


def chain(x):
    product = x @ first @ second @ second.T @ first.T
    return jnp.sum(product * y * product)


def gathered(table):
    rows = table[p["index"]]
    return jnp.sum(rows ** 3 * y + rows * jnp.sum(rows ** 2))


def summed(x):
    before = jnp.cumsum(x, axis=0) - x
    return jnp.sum(jnp.sin(jnp.cumsum(x * y, axis=1)) * before)


def extrema(x):
    kinks = jnp.max(x ** 2 * y, axis=1) ** 2 * jnp.min(x ** 3, axis=1)
    kinks = kinks + jnp.sum(jnp.maximum(x, 0) ** 3 + jnp.abs(x) ** 3 + jnp.maximum(x, y) ** 2, axis=1)
    return jnp.sum(kinks * jnp.max(x, axis=1))


def powers(positive, x):
    return jnp.sum(positive ** x / (1 + y ** 2) + x ** 5 / positive)


def waves(x):
    return (jnp.sin(jnp.exp(x) * jnp.cos(y)) * jnp.log1p(x ** 2) + jax.scipy.special.erf(x) * jax.nn.sigmoid(y - x)
            + jnp.sqrt(positive + x ** 2))


def cross_entropy(x):
    shares = jax.nn.log_softmax(jnp.where(x < y, x ** 3 * y, jnp.exp(x) / (2 + y)), axis=-1)
    rows = jnp.arange(4)
    surprise = -0.9 * shares[rows, p["label"]] - 0.1 * shares.mean(-1)
    return jnp.sum(surprise * y[rows, p["label"]])


def layouts(x):
    layers = jnp.concatenate([jnp.pad(x[:, ::2], ((0, 0), (1, 2))), y[1:3, :].T @ x[:2, :]], axis=0)
    return jnp.sum(jnp.sin(layers.reshape(2, 30)) * layers[1, 2])


def product(x, y, positive):
    return jnp.sum(jnp.tanh(x * y) * jnp.exp(x * positive / 2) + jnp.sin(x @ first) @ second @ first.T * positive * y)


def slopes(first, second):
    by_first, by_second = jax.grad(outcome, (1, 2))(x, first, second)
    return jnp.sum(by_first * p["along_first"]) + jnp.sum(by_second * p["along_second"])


def by_query(key, value):
    return jnp.sum(jax.grad(seen)(p["query"], key, value) * p["along"])


def by_x_and_y(positive):
    def by_x(y):
        return jnp.sum(jax.grad(product)(x, y, positive) * v)
    return jnp.sum(jax.grad(by_x)(y) * v)


found = {
    "of_softmax": hessian_times(lambda x: jnp.sum(jax.nn.softmax(x, axis=-1) * y), x, v),
    "of_log_sum_exp": hessian_times(lambda x: jnp.sum(logsumexp(x * y, axis=-1) ** 2), x, v),
    "of_layer_norm": hessian_times(lambda x: norm(x, p["gain"], p["bias"]), x, v),
    "of_layer_norm_and_gain": jax.grad(lambda x: jnp.sum(jax.grad(norm, 1)(x, p["gain"], p["bias"]) * p["bias"]))(x),
    "of_attention": hessian_times(lambda query: seen(query, p["key"], p["value"]), p["query"], p["along"]),
    "of_attention_and_keys": jax.grad(by_query, 0)(p["key"], p["value"]),
    "of_attention_and_values": jax.grad(by_query, 1)(p["key"], p["value"]),
    "of_network": hessian_times(lambda x: outcome(x, first, second), x, v),
    "hessian_vector_first": jax.grad(slopes, 0)(first, second),
    "hessian_vector_second": jax.grad(slopes, 1)(first, second),
    "of_products": hessian_times(chain, x, v),
    "of_gather": hessian_times(gathered, p["table"], p["along_table"]),
    "of_cumulative_sum": hessian_times(summed, x, v),
    "of_extrema": hessian_times(extrema, x, v),
    "of_powers": hessian_times(lambda positive: powers(positive, x), positive, v),
    "of_powers_and_exponents": jax.grad(lambda x: jnp.sum(jax.grad(powers)(positive, x) * v))(x),
    "of_waves": jax.grad(lambda x: jnp.sum(jax.grad(lambda x: jnp.sum(waves(x)))(x)))(x),
    "of_cross_entropy": hessian_times(cross_entropy, x, v),
    "of_layouts": hessian_times(layouts, x, v),
    "forward_over_reverse": hessian_times(lambda x: jnp.sum(waves(x)), x, v),
    "third": jax.grad(by_x_and_y)(positive),
    "third_of_waves": hessian_times(lambda x: jnp.sum(jax.vjp(waves, x)[1](v * y)[0]), x, v),
}
save_file(points | {name: np.asarray(value) for name, value in found.items()}, pathlib.Path(__file__).parent / "derivatives.safetensors",
          metadata={"jax": jax.__version__})
