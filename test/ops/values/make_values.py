#!/usr/bin/env python3
"""Writes test/ops/values/<operator>.json: values of every operator from outside this project.

    python3 make_values.py [OPERATOR ...]

needs NumPy and mpmath (the committed files: NumPy 2.4.6, mpmath 1.3.0, Python 3.11). Sources:
math functions are mpmath's at 50 digits, special values those of C99 annex F (glibc 2.36's libm in
double); elementary operations, reductions, layouts and indexing are NumPy's in the element type and,
for the meaning, in double; integers are Python's, cut to their width; fma is exact rational
arithmetic rounded once. This script is the only author of the files.

A file is a list of cases. A case has `what`, `attrs`, `inputs` and `result` (types; an input's values
are repeated as often as its type asks), and what is expected:
  exact    the elements, bit for bit (any NaN for a NaN), in the element type
  meaning  the elements in real arithmetic, rounded to double; where it is missing it equals `exact`
  ulps     there is no `exact`: so many units in the last place from `meaning`, in the element type
  scale    sums: `meaning` is met within scale[i] * (2^-24 for f32, 2^-53 for f64), and so are the
           elements where there is no `exact`
  signless zeros of either sign are equal
"""

import ctypes
import json
import os
import sys
from fractions import Fraction

import mpmath
import numpy as np

mpmath.mp.dps = 50
np.seterr(all="ignore")

DTYPES = {"bool": np.bool_, "i32": np.int32, "i64": np.int64, "f32": np.float32, "f64": np.float64}
NAMES = {np.dtype(t): name for name, t in DTYPES.items()}
BITS = {"i32": 32, "i64": 64}
I32, I64 = 2**31, 2**63
INF, NAN = float("inf"), float("nan")
F32_TINY, F32_MIN, F32_MAX = 2.0**-149, 2.0**-126, float(np.finfo(np.float32).max)
F64_TINY, F64_MAX = 2.0**-1074, float(np.finfo(np.float64).max)

LIBM = ctypes.CDLL("libm.so.6")
FILES = {}


def array(values, dtype):
    return np.array(values, DTYPES[dtype])


def is_float(x):
    return x.dtype in (np.float32, np.float64)


def wide(x):
    return x.astype(np.float64) if is_float(x) else x


def type_text(x):
    return NAMES[x.dtype] + "[" + ",".join(str(n) for n in x.shape) + "]"


def number(v):
    if isinstance(v, float) and (v != v or v in (INF, -INF)):
        return "nan" if v != v else ("inf" if v > 0 else "-inf")
    return v


def flat(x):
    return [number(v) for v in np.asarray(x).reshape(-1).tolist()]


def period(values):
    """The shortest beginning that the rest repeats, for long lists."""
    if len(values) > 200:
        for count in range(1, 200):
            if all(values[i] == values[i % count] for i in range(len(values))):
                return values[:count]
    return values


def same_numbers(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a), np.signbit(b))


def case(op, what, inputs, result, attrs=None, meaning=None, **rules):
    """`result` is an array of the result type; `meaning` one of doubles where it differs."""
    entry = {"what": what, "attrs": attrs or {}}
    entry["inputs"] = [{"type": type_text(x), "values": period(flat(x))} for x in inputs]
    entry["result"] = type_text(result)
    tolerant = "ulps" in rules or "scale" in rules
    if not tolerant:
        entry["exact"] = flat(result)
    if tolerant or (meaning is not None and is_float(result) and not same_numbers(meaning, result)):
        entry["meaning"] = flat(np.asarray(meaning, np.float64))
    for key, value in rules.items():
        entry[key] = flat(value) if key == "scale" else value
    FILES.setdefault(op, []).append(entry)


def both(op, what, inputs, function, attrs=None, **rules):
    """`function` in the element type gives `exact`, in double the meaning."""
    result = np.asarray(function(*inputs))
    meaning = np.asarray(function(*[wide(x) for x in inputs])) if is_float(result) else None
    case(op, what, inputs, result, attrs, meaning, **rules)


# Numbers to try: both zeros, halves, kinks, denormals, ends of the range, infinities, NaN.
F32_EDGES = array([0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 0.1, -3.1415927, 0.49999997, 8388607.5,
                   -8388608, 16777216, 3e9, 1e-20, 1e20, F32_TINY, -F32_TINY, 1e-40, F32_MIN, -F32_MIN, F32_MAX,
                   -F32_MAX, INF, -INF, NAN], "f32")
F32_GRID = array([0.0, -0.0, 1, -1, 0.1, -2.75, 3e38, -1e-38, F32_TINY, 16777217.0, INF, -INF, NAN], "f32")
F64_EDGES = array([0.0, -0.0, 1, -0.5, 2.5, 0.1, -2.718281828459045, 4503599627370495.5, 1e-310, F64_TINY, F64_MAX,
                   INF, -INF, NAN], "f64")
F64_GRID = array([0.0, -0.0, 1.1, -3, F64_TINY, 1e308, INF, NAN], "f64")
I32_GRID = array([0, 1, -1, 2, -7, 10, 65536, I32 - 1, -I32], "i32")
I64_GRID = array([0, 1, -1, 3, -7, 2**32, I64 - 1, -I64], "i64")


def wrap(value, dtype):
    bits = BITS[dtype]
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def pairs(grid):
    return grid.reshape(-1, 1), grid.reshape(1, -1)


def pythonic(function, x, y, dtype):
    rows = [[wrap(function(int(a), int(b)), dtype) for b in y.reshape(-1)] for a in x.reshape(-1)]
    return array(rows, dtype)


# Pointwise, elementary.


def sign(x):
    return np.where(x < 0, x.dtype.type(-1), np.where(x > 0, x.dtype.type(1), x))


def elementary_unary():
    functions = {"neg": np.negative, "abs": np.abs, "sign": sign, "floor": np.floor, "ceil": np.ceil,
                 "round": np.rint, "sqrt": np.sqrt}
    for op, function in functions.items():
        both(op, "edges", [F32_EDGES], function)
        both(op, "edges in double", [F64_EDGES], function)
        both(op, "one element of rank 2", [array([[-0.75]], "f32")], function)
        both(op, "a scalar", [array(6.25, "f32")], function)
    for op in ("neg", "abs", "sign"):
        both(op, "integers", [I32_GRID], functions[op])
        both(op, "long integers", [I64_GRID], functions[op])


def booleans():
    b = array([[True, False, True], [False, False, True]], "bool")
    for op, function in {"and": np.logical_and, "or": np.logical_or}.items():
        both(op, "every pair", [array([[False], [True]], "bool"), array([[False, True]], "bool")], function)
        both(op, "equal shapes", [b, b[::-1]], function)
        both(op, "a scalar", [b, array(True, "bool")], function)
    both("not", "a matrix", [b], np.logical_not)
    both("not", "a scalar", [array(True, "bool")], np.logical_not)
    both("not", "longer than a vector", [array([i % 3 == 0 for i in range(35)], "bool")], np.logical_not)


def arithmetic():
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    for op, function in functions.items():
        both(op, "every pair of edges", pairs(F32_GRID), function)
        both(op, "every pair of edges in double", pairs(F64_GRID), function)
        both(op, "broadcast", [array([[[1.5], [-0.3]]], "f32"), array([0.7, 3, -9], "f32")], function)
        both(op, "denormal results", [array([1e-38, -1.5e-38, F32_MIN], "f32"), array([1.1e-38, 2, 3], "f32")], function)
    exact = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}
    for op, function in exact.items():
        for dtype, grid in (("i32", I32_GRID), ("i64", I64_GRID)):
            x, y = pairs(grid)
            case(op, dtype + " wraps around", [x, y], pythonic(function, x, y, dtype))


def toward_zero(a, b):
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_division():
    for dtype, grid in (("i32", I32_GRID), ("i64", I64_GRID)):
        x, y = pairs(grid)
        case("int_div", dtype, [x, y], pythonic(toward_zero, x, y, dtype))
        case("mod", dtype, [x, y], pythonic(lambda a, b: a - toward_zero(a, b) * b, x, y, dtype))


def extrema_and_comparisons():
    extrema = {"maximum": np.maximum, "minimum": np.minimum}
    compare = {"equal": np.equal, "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal}
    for op, function in {**extrema, **compare}.items():
        rules = {"signless": True} if op in extrema else {}
        both(op, "every pair of edges", pairs(F32_GRID), function, **rules)
        both(op, "every pair of edges in double", pairs(F64_GRID), function, **rules)
        both(op, "integers", pairs(I32_GRID), function)
        both(op, "long integers", pairs(I64_GRID), function)
        both(op, "neighbours above 2^53", pairs(array([2**53, 2**53 + 1], "i64")), function)
    truth = array([[False], [True]], "bool")
    for op in ("equal", "not_equal"):
        both(op, "booleans", [truth, truth.T], compare[op])


def select_values():
    chosen = array([True, False, False, True, False, True, True], "bool")
    x = array([1, 2, NAN, NAN, INF, -0.0, F32_TINY], "f32")
    y = array([-1, NAN, 3, 4, -INF, 7, F32_MAX], "f32")
    both("select", "edges", [chosen, x, y], np.where)
    both("select", "booleans in rows", [chosen[:2].reshape(2, 1), x[:3], array([[9, 8, 7]], "f32")], np.where)
    both("select", "a scalar condition", [array(False, "bool"), x, y], np.where)
    both("select", "integers", [chosen[:4], I32_GRID[-4:], I32_GRID[:4]], np.where)
    both("select", "long integers", [chosen[:4], I64_GRID[-4:], I64_GRID[:4]], np.where)
    both("select", "doubles", [chosen[:4], F64_EDGES[:4], F64_EDGES[-4:]], np.where)
    both("select", "booleans", [chosen[:4], ~chosen[:4], chosen[2:6]], np.where)


def rounded(value, digits, least):
    """A nonzero Fraction, to nearest even with `digits` bits, no finer than 2**least."""
    exponent = 0
    while abs(value) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - digits + 1, least)
    return float(np.copysign(float(round(value / unit) * unit), float(value > 0) - 0.5))


def fused(a, b, c, digits, least):
    a, b, c = float(a), float(b), float(c)
    if not np.isfinite([a, b, c]).all():
        return float(np.float64(a) * np.float64(b) + np.float64(c))
    total = Fraction(a) * Fraction(b) + Fraction(c)
    if total == 0:
        return a * b + c if a == 0 or b == 0 else 0.0
    try:
        return rounded(total, digits, least)
    except OverflowError:
        return INF if total > 0 else -INF


def fma_values():
    triples = [(1.1, 1.1, -1.21), (16777215, 16777215, 1), (1 + 2**-23, 1 - 2**-23, -1), (0.1, 10, -1),
               (3e38, 3e38, -3e38), (3e38, 2, -3e38), (1e-30, 1e-30, F32_TINY), (1e-20, 1e-20, 0), (-1e-25, 1e-25, 0),
               (0.0, -1, 0.0), (-0.0, 1, -0.0), (2, 3, -6), (INF, 0, 1), (INF, 1, -INF), (NAN, 1, 2), (2, INF, 3),
               (F32_MAX, 1, F32_MAX), (F32_TINY, 0.5, F32_TINY), (F32_TINY, 0.5, 0), (1, 2, 3)]
    for dtype, digits, least in (("f32", 24, -149), ("f64", 53, -1074)):
        x, y, z = (array([t[i] for t in triples], dtype) for i in range(3))
        narrow = array([fused(*t, digits, least) for t in zip(x, y, z)], dtype)
        meaning = array([fused(*t, 53, -1074) for t in zip(x, y, z)], "f64")
        case("fma", "one rounding in " + dtype, [x, y, z], narrow, None, meaning)
    grid = [array([[2.0], [0.5]], "f32"), array([1.0, 3, -4], "f32"), array(0.25, "f32")]
    both("fma", "broadcast", grid, lambda x, y, z: x * y + z)


def identity():
    for what, x in {"edges": F32_EDGES, "doubles": F64_EDGES, "integers": I32_GRID, "long integers": I64_GRID,
                    "booleans": array([True, False], "bool")}.items():
        both("stop_gradient", what, [x], lambda v: v)


# Pointwise, math functions.


def by_libm(name, arguments):
    function = getattr(LIBM, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * len(arguments)
    return function(*arguments)


def real(function, *arguments):
    """The real function, rounded to double; libm's value where annex F rules."""
    arguments = [float(a) for a in arguments]
    if not np.isfinite(arguments).all() or 0.0 in arguments:
        return by_libm(function.__name__, arguments)
    value = function(*map(mpmath.mpf, arguments))
    return by_libm(function.__name__, arguments) if value is None else float(value)


def exp(x):
    return mpmath.exp(x)


def expm1(x):
    return mpmath.expm1(x)


def log(x):
    return mpmath.log(x) if x > 0 else None


def log1p(x):
    return mpmath.log1p(x) if x > -1 else None


def sin(x):
    return mpmath.sin(x)


def cos(x):
    return mpmath.cos(x)


def tanh(x):
    return mpmath.tanh(x)


def pow(x, y):
    return x**y if x > 0 or y == int(y) else None


def real_erf(x):
    return float(x) if x == 0 or x != x else float(mpmath.erf(mpmath.mpf(float(x))))


def real_normal_cdf(x):
    if not np.isfinite(x):
        return NAN if x != x else float(x > 0)
    return float(mpmath.erfc(-mpmath.mpf(float(x)) / mpmath.sqrt(2)) / 2)


def real_normal_density(x):
    return NAN if x != x else float(mpmath.npdf(mpmath.mpf(float(x))))


def real_sigmoid(x):
    if not np.isfinite(x):
        return NAN if x != x else float(x > 0)
    return float(1 / (1 + mpmath.exp(-mpmath.mpf(float(x)))))


def math_functions():
    common = [0.0, -0.0, 1, -1, 0.5, -0.25, 0.1, 2, -3, 10.5, 1e-10, -1e-10, 1e-40, -F32_TINY, F32_MIN, INF, -INF, NAN]
    extra = {"exp": [88.7, 88.8, -87.3, -88, -103, -104, 0.6931472, -50.25, F32_MAX, -F32_MAX],
             "expm1": [88.7, 88.8, -17.4, -18, 0.34657359, -0.34657362, 1e-7, -1e-8, 1.0397208, -50.25, F32_MAX, -F32_MAX],
             "log": [2.7182817, 0.99999994, 1.0000001, F32_MAX, 1.4142135, 0.70710677, 100, 3e-39, -F32_MAX],
             "log1p": [-0.99999994, -0.5, 1e-7, -1e-7, 0.41421357, -0.29289323, F32_MAX, 1e10, -2],
             "sin": [1.5707964, 3.1415927, 6.2831855, 100, -1000.5, 1e5, 1e10, 1e20, F32_MAX, 0.7853982, -2.3561945],
             "cos": [1.5707964, 3.1415927, 6.2831855, 100, -1000.5, 1e5, 1e10, 1e20, F32_MAX, 0.7853982, -2.3561945],
             "tanh": [9, -9.5, 0.55, 0.625, 1e-4, -20, 88, -100, F32_MAX, -F32_MAX],
             "sigmoid": [17, -17, -87, -88.5, -100, 104, 0.01, -20, F32_MAX, -F32_MAX],
             "erf": [0.84375, 0.921875, 3.9, -4.1, 1e-4, 2.5, -1.75, 0.3, F32_MAX, -F32_MAX],
             "normal_cdf": [-1.75, 2.5, -5.3, 5.3, -9.123457, -12.9, -13.5, -14.1, -14.3, 8, F32_MAX, -F32_MAX],
             "normal_density": [-1.75, 2.5, -5.3, 9.123457, -12.9, 13.1, -14.1, 14.3, 14.9, 1e-4, F32_MAX, -F32_MAX]}
    doubles = [0.0, -0.0, 0.1, -0.7, 1e-10, 3.3, 1e-300, 12.25, -0.1234567890123456, INF, -INF, NAN]
    more = {"exp": [709.5, 710, -708, -740, -746], "expm1": [709.5, 710, -37, -41, 1e-17], "log": [F64_TINY, F64_MAX, 1.0000000000000002],
            "log1p": [-0.9999999999999999, 1e-17, F64_MAX, -1], "sin": [1e6, 1.5707963267948966, 1e12],
            "cos": [1e6, 1.5707963267948966, 1e12], "tanh": [19, -22, 1e-8], "sigmoid": [37, -700, -745],
            "erf": [5.9, -6, 1e-9, 2.2], "normal_cdf": [-8.3, 8.3, -20.123456789, -37.5, -38.4, -38.5],
            "normal_density": [-8.3, 20.123456789, 37.6, -38.4, 38.6]}
    functions = {"exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "sin": sin, "cos": cos, "tanh": tanh}
    for op in extra:
        own = {"sigmoid": real_sigmoid, "erf": real_erf, "normal_cdf": real_normal_cdf, "normal_density": real_normal_density}
        value = own.get(op) or (lambda v, f=functions.get(op): real(f, v))
        for dtype, values in (("f32", common + extra[op]), ("f64", doubles + more[op])):
            x = array(values, dtype)
            case(op, "in " + dtype, [x], x, None, [value(v) for v in x], ulps=4)
        steps = array([[(i - 18) * 0.37 for i in range(37)]], "f32")
        case(op, "longer than a vector", [steps], steps, None, [value(v) for v in steps[0]], ulps=4)


def pow_values():
    x = array([0.0, -0.0, 1, -1, 0.5, -2, 10, 1e-20, 3.3, INF, -INF, NAN], "f32").reshape(-1, 1)
    y = array([0.0, -0.0, 1, -1, 2, -3, 0.5, -0.5, 3, 33.25, 1e10, INF, -INF, NAN], "f32").reshape(1, -1)
    for dtype in ("f32", "f64"):
        a, b = x.astype(DTYPES[dtype]), y.astype(DTYPES[dtype])
        meaning = [[real(pow, p, q) for q in b[0]] for p in a[:, 0]]
        case("pow", "every pair of edges in " + dtype, [a, b], (a * b), None, meaning, ulps=4)
    p = array([1.1, 2, 1.0000001, 0.9, 7, 1e-5, 3, -3, -3], "f32")
    q = array([100, -148.5, 1e7, 800, 0.3333333, 8.5, 80.7, 3, 16777217], "f32")
    case("pow", "large exponents", [p, q], p, None, [real(pow, a, b) for a, b in zip(p, q)], ulps=4)


# Conversions.


def saturated(value, dtype):
    if value != value:
        return 0
    low, high = -(2 ** (BITS[dtype] - 1)), 2 ** (BITS[dtype] - 1) - 1
    return high if value == INF else low if value == -INF else min(max(int(value), low), high)


def convert_values():
    f32 = np.concatenate([F32_EDGES, array([2147483520, 2147483648, -2147483648, -2147483904, 9.223372e18, -9.223373e18,
                                            -0.99, 1.99, 16777215], "f32")])
    f64 = np.concatenate([F64_EDGES, array([2147483647.5, 2147483648, -2147483648.9, -2147483649, 9223372036854774784,
                                            9223372036854775808, -9223372036854775808, 1e-46, 7.1e-46, 3.4028235677e38,
                                            16777217, 1.00000005960464478], "f64")])
    i32 = np.concatenate([I32_GRID, array([16777217, 16777219, -16777217], "i32")])
    i64 = np.concatenate([I64_GRID, array([2**53 + 1, 2**53 + 3, 2**31, -(2**31) - 1, 2**24 + 1, 2**63 - 513], "i64")])
    flags = array([True, False], "bool")
    for x in (f32, f64, i32, i64, flags):
        source = NAMES[x.dtype]
        for target in DTYPES:
            if is_float(x) and target in BITS:
                result = array([saturated(float(v), target) for v in x], target)
            elif source in BITS and target in BITS:
                result = array([wrap(int(v), target) for v in x], target)
            else:
                result = x.astype(DTYPES[target])
            meaning = x.astype(np.float64) if target in ("f32", "f64") else None
            case("convert", source + " to " + target, [x], result, None, meaning)


def unit_float():
    x = array([0, 1, 255, 256, 511, -1, -256, -257, I32 - 1, -I32, 123456789, -987654321, 65536], "i32")
    result = ((x.view(np.uint32) >> 8).astype(np.float32) * np.float32(2.0**-24)).astype(np.float32)
    case("unit_float", "bits", [x], result)


# Reductions.


def sum_case(what, x, dims, keep=False):
    axes = tuple(dims)
    attrs = {"dims": list(dims)} | ({"keep": True} if keep else {})
    total = np.asarray(np.sum(x, axis=axes, keepdims=keep, dtype=x.dtype))
    if not is_float(x):
        case("sum", what, [x], total, attrs)
        return
    moved = np.moveaxis(wide(x), axes, range(len(axes))).reshape(-1, total.size)
    meaning = [fraction_sum(column) for column in moved.T]
    scale = [len(column) * float(np.sum(np.abs(column))) for column in moved.T]
    case("sum", what, [x], total, attrs, meaning, scale=scale)


def fraction_sum(values):
    if not np.isfinite(values).all():
        return float(np.sum(values))
    total = sum((Fraction(float(v)) for v in values), Fraction(0))
    return float(total)


def sequence(shape, dtype="f32", step=0.37, span=11):
    count = int(np.prod(shape))
    return array([((i * 7) % span - span // 2) * step for i in range(count)], dtype).reshape(shape)


def sums():
    sum_case("a vector", sequence([7]), [0])
    sum_case("rows, kept", sequence([3, 5]), [1], True)
    sum_case("columns", sequence([3, 5]), [0])
    sum_case("everything", sequence([2, 3, 4]), [0, 1, 2])
    sum_case("the outer two", sequence([2, 3, 4]), [0, 1])
    sum_case("first and last", sequence([2, 3, 4]), [0, 2])
    sum_case("the middle", sequence([2, 3, 4]), [1])
    sum_case("one element", array([2.5], "f32"), [0])
    sum_case("a dimension of 1", sequence([4, 1]), [1])
    sum_case("a long row", sequence([2, 333], span=97), [1])
    sum_case("a long column", sequence([333, 2], span=97), [0])
    sum_case("small after large", array([[1e8] + [1.0] * 30, [-1e8, 3.0] + [0.25] * 29], "f32"), [1])
    sum_case("denormals", array([[F32_TINY] * 5, [1e-40] * 5], "f32"), [1])
    sum_case("doubles", sequence([3, 70], "f64"), [1])
    sum_case("double columns", sequence([70, 3], "f64"), [0])
    special = array([[1, INF, 2], [INF, -INF, 0], [NAN, 1, 1], [-INF, 1, 1]], "f32")
    for dims, x in (([1], special), ([0], special.T)):
        case("sum", f"infinities and NaN over {dims}", [x], np.sum(x, axis=dims[0]), {"dims": dims})
    whole = array([[(i * 13) % 29 - 14 for i in range(50)]] * 2, "f32")
    case("sum", "whole numbers are exact", [whole], np.sum(whole, axis=1), {"dims": [1]})
    zeros = array([[-0.0, -0.0], [0.0, -0.0]], "f32")
    case("sum", "zeros", [zeros], array([-0.0, 0.0], "f32"), {"dims": [1]})
    sum_case("i32 wraps around", array([[I32 - 1, 1, 5], [-I32, -1, 0]], "i32"), [1])
    sum_case("i64 wraps around", array([[I64 - 1, 1, 5], [-I64, -1, 0]], "i64"), [1])
    sum_case("integers down columns", array([[1, 2], [3, 4], [5, -6]], "i32"), [0])
    x = sequence([9, 3], step=0.1)
    chain = x[0].copy()
    for row in x[1:]:
        chain = chain + row
    case("sum", "a chain says its order", [x], chain, {"dims": [0], "order": "chain"}, scale=np.full(3, 40.0))
    FILES["sum"][-1]["exact"] = flat(chain)
    FILES["sum"][-1]["meaning"] = flat([fraction_sum(c) for c in wide(x).T])


def extrema():
    functions = {"max": np.max, "min": np.min}
    ties = array([[1, 3, 3, 2], [-0.5, -0.5, -0.5, -0.5], [NAN, 1, 2, 3], [1, 2, NAN, NAN], [-INF, -INF, -INF, -INF],
                  [INF, 1, -INF, 0], [F32_TINY, 0, 1e-40, -F32_TINY], [F32_MAX, -F32_MAX, 1, 2]], "f32")
    for op, function in functions.items():
        def add(what, x, dims, keep=False):
            attrs = {"dims": dims} | ({"keep": True} if keep else {})
            both(op, what, [x], lambda v: function(v, axis=tuple(dims), keepdims=keep), attrs, signless=True)
        add("ties, NaN and infinities in rows", ties, [1])
        add("the same in columns", ties.T.copy(), [0], True)
        add("everything", sequence([2, 3, 4]), [0, 1, 2])
        add("first and last", sequence([2, 3, 4]), [0, 2])
        add("zeros of both signs", array([[0.0, -0.0], [-0.0, 0.0]], "f32"), [1])
        add("one element", array([-7.5], "f32"), [0])
        add("longer than a vector", sequence([3, 45], span=43), [1])
        add("doubles", F64_GRID[:-1].reshape(1, -1), [1])
        add("integers", I32_GRID.reshape(3, 3), [1])
        add("long integers", np.concatenate([I64_GRID, array([2**53, 2**53 + 1], "i64")]).reshape(2, 5), [1])
        add("least and greatest integers alone", array([[-I32], [I32 - 1]], "i32"), [1])
        add("least and greatest long integers alone", array([[-I64], [I64 - 1]], "i64"), [1])
    def first(what, x, axis, keep=False):
        result = np.argmax(x, axis=axis, keepdims=keep).astype(np.int32)
        case("argmax", what, [x], result, {"dims": [axis]} | ({"keep": True} if keep else {}))
    first("the first of ties; NaN is largest", ties, 1)
    first("the same in columns", ties.T.copy(), 0)
    first("kept", ties, 1, True)
    first("the middle", sequence([2, 5, 3]), 1)
    first("zeros of both signs", array([[-0.0, 0.0], [0.0, -0.0]], "f32"), 1)
    first("one element", array([4.0], "f32"), 0)
    first("longer than a vector", sequence([3, 45], span=43), 1)
    first("doubles", array([[1, 1 + 2.0**-52, 1], [-INF, -F64_MAX, NAN]], "f64"), 1)
    first("integers", array([[3, 9, 9], [-I32, -I32, -I32], [-I32, I32 - 1, 0]], "i32"), 1)
    first("long integers", array([[2**53, 2**53 + 1, 0], [-I64, -I64, -I64], [5, I64 - 2, I64 - 1]], "i64"), 1)


def partial_sums():
    def add(what, x, chunk, chunks):
        total = np.full((chunks,) + x.shape[1:], -0.0, x.dtype)
        fine = np.zeros(total.shape)
        for c in range(chunks):
            rows = x[c * chunk:(c + 1) * chunk]
            for row in rows:
                total[c] = total[c] + row
            columns = wide(rows).reshape(len(rows), -1).T
            fine[c] = np.array([fraction_sum(column) for column in columns]).reshape(x.shape[1:])
        attrs = {"dims": [0], "chunk": chunk}
        case("partial_sum", what, [x], total, attrs, fine, scale=np.full(total.size, 50.0))
        FILES["partial_sum"][-1]["exact"] = flat(total)
    add("even chunks", sequence([6, 3], step=0.1), 2, 3)
    add("the last is short", sequence([7, 2], step=0.1), 3, 3)
    add("one chunk", sequence([5, 2], step=0.1), 8, 1)
    add("one row each", sequence([3, 4]), 1, 3)
    add("a vector", sequence([9], step=0.1), 4, 3)
    add("more dimensions", sequence([4, 3, 2], step=0.1), 2, 2)
    add("infinities and NaN", array([[1, INF], [NAN, -INF], [2, 3], [4, INF]], "f32"), 2, 2)
    add("doubles", sequence([6, 2], "f64", 0.1), 4, 2)


# Products.


def matmul(what, a, b, ta=False, tb=False):
    attrs = ({"ta": True} if ta else {}) | ({"tb": True} if tb else {})
    left, right = wide(a), wide(b)
    left = np.swapaxes(left, -1, -2) if ta else left
    right = np.swapaxes(right, -1, -2) if tb else right
    product = np.matmul(left, right)
    if not np.isfinite(product).all():
        case("matmul", what, [a, b], product.astype(a.dtype), attrs, signless=True)
        return
    inner = left.shape[-1]
    scale = (inner + 1) * np.matmul(np.abs(left), np.abs(right))
    case("matmul", what, [a, b], product.astype(a.dtype), attrs, product, scale=scale)


def products():
    a, b = sequence([3, 5]), sequence([5, 4], step=0.21)
    matmul("plain", a, b)
    matmul("left transposed", a.T.copy(), b, ta=True)
    matmul("right transposed", a, b.T.copy(), tb=True)
    matmul("both transposed", a.T.copy(), b.T.copy(), ta=True, tb=True)
    matmul("1 by 1", array([[3]], "f32"), array([[-0.5]], "f32"))
    matmul("inner dimension 1", sequence([3, 1]), sequence([1, 4]))
    matmul("one row", sequence([1, 6]), sequence([6, 3]))
    matmul("one column", sequence([4, 6]), sequence([6, 1]))
    matmul("batches", sequence([2, 3, 4]), sequence([2, 4, 2]))
    matmul("broadcast batches", sequence([2, 1, 3, 4]), sequence([3, 4, 2]))
    matmul("shared right", sequence([2, 3, 4]), sequence([4, 2]))
    matmul("shared left", sequence([3, 4]), sequence([2, 4, 2]))
    matmul("past one tile", sequence([17, 19]), sequence([19, 18], step=0.21))
    matmul("past one chunk of 1024", sequence([2, 1500], step=0.01), sequence([1500, 3], step=0.02))
    matmul("doubles", sequence([3, 5], "f64", 0.1), sequence([5, 2], "f64", 0.1))
    matmul("doubles, right transposed", sequence([3, 5], "f64", 0.1), sequence([2, 5], "f64", 0.1), tb=True)
    special = array([[1, INF, 0], [NAN, 1, 1], [1, 2, 3]], "f32")
    matmul("infinities and NaN", special, array([[1, 0], [1, 0], [INF, 1]], "f32"))
    large, ones = array([[3e38, 3e38], [1, 2]], "f32"), array([[1], [1]], "f32")
    case("matmul", "overflow", [large, ones], np.matmul(large, ones), None, np.matmul(wide(large), wide(ones)))


# Layout and indexing.


def layouts():
    x, i = sequence([2, 3, 4]), np.arange(-12, 12, dtype=np.int32).reshape(2, 3, 4)
    edges = F32_EDGES[:28]
    flags = array([k % 3 == 0 for k in range(12)], "bool")
    both("reshape", "to a matrix", [x], lambda v: v.reshape(6, 4))
    both("reshape", "integers to a vector", [i], lambda v: v.reshape(24))
    both("reshape", "edges", [edges], lambda v: v.reshape(2, 7, 2))
    both("reshape", "one element", [array([[5.0]], "f32")], lambda v: v.reshape(()))
    both("reshape", "booleans", [flags], lambda v: v.reshape(3, 4))
    both("reshape", "sizes of 1", [x], lambda v: v.reshape(1, 24, 1))
    for perm in ([2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1]):
        both("transpose", str(perm), [x], lambda v: v.transpose(perm), {"perm": perm})
    both("transpose", "integers", [i], lambda v: v.transpose(1, 2, 0), {"perm": [1, 2, 0]})
    both("transpose", "edges", [edges.reshape(4, 7)], lambda v: v.T, {"perm": [1, 0]})
    both("transpose", "booleans", [flags.reshape(3, 4)], lambda v: v.T, {"perm": [1, 0]})
    both("transpose", "past one tile", [sequence([19, 21])], lambda v: v.T, {"perm": [1, 0]})
    both("transpose", "nothing moves", [array([[1.0]], "f32")], lambda v: v, {"perm": [0, 1]})
    for what, v, shape in (("a row", edges[:5], (3, 5)), ("a column", edges[-4:].reshape(4, 1), (4, 3)),
                           ("a scalar", array(-0.0, "f32"), (2, 3)), ("integers", i[:, :1], (2, 3, 4)),
                           ("both ends", x[:1, :, :1], (5, 3, 2)), ("booleans", flags[:3], (2, 3)),
                           ("nothing", array([7.0], "f32"), (1,))):
        both("broadcast", what, [v], lambda u: np.broadcast_to(u, shape).copy())
    both("slice", "a part", [x], lambda v: v[:, 1:3, 1:], {"start": [0, 1, 1], "step": [1, 1, 1]})
    both("slice", "by steps", [sequence([7, 3])], lambda v: v[1::2], {"start": [1, 0], "step": [2, 1]})
    both("slice", "backward", [edges], lambda v: v[::-1], {"start": [27], "step": [-1]})
    both("slice", "backward by 3", [np.arange(10, dtype=np.int32)], lambda v: v[8:0:-3], {"start": [8], "step": [-3]})
    both("slice", "one element", [x], lambda v: v[1:, 2:, 3:], {"start": [1, 2, 3], "step": [1, 1, 1]})
    both("slice", "booleans", [flags], lambda v: v[1:8:2], {"start": [1], "step": [2]})
    def pad(what, v, low, high):
        widths = list(zip(low, high))
        both("pad", what, [v], lambda u: np.pad(u, widths), {"low": low, "high": high})
    pad("both sides", sequence([2, 3]), [1, 2], [0, 1])
    pad("nothing", sequence([2, 2]), [0, 0], [0, 0])
    pad("edges", edges[-6:], [2], [3])
    pad("integers", i[0], [0, 1], [2, 0])
    pad("one element", array([[[2.0]]], "f32"), [1, 0, 1], [0, 2, 0])
    pad("booleans", flags[:4], [1], [1])
    def concat(what, parts, axis):
        both("concat", what, parts, lambda *v: np.concatenate(v, axis), {"axis": axis})
    concat("rows", [sequence([2, 3]), sequence([1, 3])], 0)
    concat("columns of three", [edges[:4].reshape(2, 2), edges[4:6].reshape(2, 1), edges[-6:].reshape(2, 3)], 1)
    concat("the middle", [x, x[:, :1]], 1)
    concat("one part", [sequence([3])], 0)
    concat("integers", [I32_GRID, I32_GRID[:1]], 0)
    concat("booleans", [flags[:3], flags[4:5]], 0)


def indexed():
    table = F32_EDGES[:12].reshape(4, 3)
    for dtype in ("i32", "i64"):
        both("gather", "rows, " + dtype, [table, array([3, 0, 3, 1], dtype)], lambda t, i: t[i])
    both("gather", "a matrix of indices", [sequence([5, 2]), array([[0, 4], [2, 2]], "i32")], lambda t, i: t[i])
    both("gather", "elements", [F32_EDGES, array([28, 0, 1, 19, 25], "i32")], lambda t, i: t[i])
    both("gather", "one row", [sequence([1, 3]), array([0, 0], "i32")], lambda t, i: t[i])
    both("gather", "a scalar index", [sequence([4, 3]), array(2, "i32")], lambda t, i: t[i])
    both("gather", "integers", [I32_GRID, array([8, 7, 0], "i32")], lambda t, i: t[i])
    both("gather", "doubles", [F64_EDGES, array([2, 13, 13], "i32")], lambda t, i: t[i])

    def scatter(what, index, updates, rows, **rules):
        def added(i, u):
            out = np.zeros((rows,) + u.shape[i.ndim:], u.dtype)
            np.add.at(out, i, u)
            return out
        both("scatter_add", what, [index, updates], added, **rules)
    scatter("repeats add, ascending", array([0, 2, 0, 0, 1, 0], "i32"), array([1e8, 0.1, 1, -1e8, 3, 0.7], "f32"), 4)
    scatter("rows", array([1, 1, 3], "i32"), sequence([3, 4], step=0.1), 4)
    scatter("a matrix of indices", array([[0, 4], [0, 0]], "i32"), sequence([2, 2, 3], step=0.1), 5)
    scatter("long indices", array([1, 0, 1], "i64"), sequence([3, 2], step=0.1), 2)
    scatter("from +0", array([0, 2], "i32"), array([-0.0, -0.0], "f32"), 3)
    scatter("infinities and NaN", array([0, 0, 1, 2, 2], "i32"), array([INF, -INF, NAN, INF, 1], "f32"), 4)
    scatter("one row", array([0, 0, 0], "i32"), array([[1.5], [2.5], [-1]], "f32"), 1)
    scatter("doubles", array([1, 1, 1], "i32"), array([0.1, 0.2, 0.3], "f64"), 2)

    def take(what, x, index, axis):
        both("take_along", what, [x, index], lambda v, i: np.take_along_axis(
            v, np.expand_dims(i, axis), axis).squeeze(axis), {"axis": axis})
    take("per row", table, array([0, 2, 1, 2], "i32"), 1)
    take("per column", table, array([3, 0, 3], "i64"), 0)
    take("the middle", sequence([2, 3, 4]), array([[0, 1, 2, 1], [2, 2, 0, 0]], "i32"), 1)
    take("one to choose", sequence([3, 1]), array([0, 0, 0], "i32"), 1)
    take("integers", I32_GRID.reshape(3, 3), array([2, 2, 1], "i32"), 1)
    take("a vector", F32_EDGES, array(28, "i32"), 0)

    def put(what, index, values, axis, size):
        def zeros_but(i, v):
            out = np.zeros(v.shape[:axis] + (size,) + v.shape[axis:], v.dtype)
            np.put_along_axis(out, np.expand_dims(i, axis), np.expand_dims(v, axis), axis)
            return out
        both("put_along", what, [index, values], zeros_but, {"axis": axis})
    put("per row", array([0, 2, 1, 2], "i32"), array([1.5, NAN, INF, -0.0], "f32"), 1, 3)
    put("per column", array([3, 0, 3], "i64"), array([1, 2, 3], "f32"), 0, 4)
    put("the middle", array([[0, 1], [2, 0]], "i32"), sequence([2, 2]), 1, 3)
    put("a size of 1", array([0, 0], "i32"), array([F32_TINY, F32_MAX], "f32"), 1, 1)
    put("integers", array([1, 0], "i32"), array([I32 - 1, -I32], "i32"), 1, 2)

    def running(what, x, axis, exclusive=False):
        def summed(v):
            shifted = np.roll(v, 1, axis)
            if exclusive:
                start = [slice(None)] * v.ndim
                start[axis] = 0
                shifted[tuple(start)] = 0
            return np.cumsum(shifted if exclusive else v, axis=axis, dtype=v.dtype)
        attrs = {"axis": axis} | ({"exclusive": True} if exclusive else {})
        exact = summed(x)
        scale = x.shape[axis] * np.cumsum(np.abs(np.nan_to_num(wide(x), posinf=0, neginf=0)), axis=axis)
        case("cumulative_sum", what, [x], exact, attrs, summed(wide(x)), scale=scale)
        FILES["cumulative_sum"][-1]["exact"] = flat(exact)
    running("rows", sequence([3, 5], step=0.1), 1)
    running("columns", sequence([5, 3], step=0.1), 0)
    running("exclusive", sequence([3, 5], step=0.1), 1, True)
    running("exclusive columns", sequence([5, 3], step=0.1), 0, True)
    running("large then small", array([1e8, 1, 1, -1e8, 1], "f32"), 0)
    running("infinities and NaN", array([[1, INF, 2, -INF, 3], [NAN, 1, 2, 3, 4]], "f32"), 1)
    running("one element", array([[2.5]], "f32"), 1)
    running("longer than a vector", sequence([2, 40], step=0.1, span=23), 1)
    running("doubles", sequence([2, 4], "f64", 0.1), 1)


def text_of(cases):
    lines = []
    for entry in cases:
        fields = []
        for key, value in entry.items():
            if key == "inputs":
                parts = ",\n    ".join(json.dumps(x) for x in value)
                fields.append('  "inputs": [\n    ' + parts + "]")
            else:
                fields.append(f'  "{key}": {json.dumps(value)}')
        lines.append("{\n" + ",\n".join(fields) + "\n}")
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main():
    for group in (elementary_unary, booleans, arithmetic, integer_division, extrema_and_comparisons, select_values,
                  fma_values, identity, math_functions, pow_values, convert_values, unit_float, sums, extrema,
                  partial_sums, products, layouts, indexed):
        group()
    folder = os.path.dirname(os.path.abspath(__file__))
    for op in sys.argv[1:] or FILES:
        with open(os.path.join(folder, op + ".json"), "w", encoding="utf-8") as file:
            file.write(text_of(FILES[op]))


main()
