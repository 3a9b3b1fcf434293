"""The operators of docs/operators.md in numpy: what a model package computes, bit for bit.

The other implementations (the engine, the referee on chain) are tested against the same results, through the `golden.json`
of each package. This one aims at clarity, not speed.

    python reference.py upscale          checks a package against its golden.json
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def requantise(acc, bias, multiplier, shift, zero_point, clamp):
    """Bias, 64-bit product, round half up, zero point, one clamp. `bias` and `multiplier` broadcast over channels."""
    wide = (acc + bias).astype(np.int64) * multiplier
    return narrow(wide, shift, zero_point, clamp)


def narrow(wide, shift, zero_point, clamp):
    """The rounding part of `requantise`. numpy's >> on int64 is arithmetic, so this floors after adding one half."""
    rounded = (wide + (np.int64(1) << np.int64(shift - 1))) >> np.int64(shift)
    return np.clip(rounded + zero_point, clamp[0], clamp[1]).astype(np.int8)


def exact_dot(a, b):
    """`a @ b` for integer operands. float64 is exact here: every partial sum stays below 2^30, far from 2^53."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def windows(x, kernel, stride, padding, dilation, fill):
    """All windows of `x` as an array `[ho, wo, kh, kw, c]` of int64."""
    top, left, bottom, right = padding
    x = np.pad(x.astype(np.int64), ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    (kh, kw), (sy, sx), (dy, dx) = kernel, stride, dilation
    ho = (x.shape[0] - dy * (kh - 1) - 1) // sy + 1
    wo = (x.shape[1] - dx * (kw - 1) - 1) // sx + 1
    rows = (np.arange(ho) * sy)[:, None] + np.arange(kh) * dy
    cols = (np.arange(wo) * sx)[:, None] + np.arange(kw) * dx
    return x[rows[:, None, :, None], cols[None, :, None, :]]


def conv2d(op, x, weights, bias, multiplier):
    co, kh, kw, cig = weights.shape
    groups = op["groups"]
    win = windows(x, (kh, kw), op["stride"], op["padding"], op["dilation"], op["pad_value"])
    ho, wo = win.shape[:2]
    parts = []
    for g in range(groups):
        rows = win[..., g * cig : (g + 1) * cig].reshape(ho * wo, kh * kw * cig)
        cols = weights[g * co // groups : (g + 1) * co // groups].reshape(co // groups, kh * kw * cig)
        parts.append(exact_dot(rows, cols.T))
    acc = np.concatenate(parts, axis=1).reshape(ho, wo, co)
    return requantise(acc, bias.astype(np.int64), multiplier.astype(np.int64), op["shift"], op["zero_point"], op["clamp"])


def matmul(op, x, weights, bias, multiplier):
    acc = exact_dot(x.reshape(-1, x.shape[2]), weights.T).reshape(*x.shape[:2], weights.shape[0])
    return requantise(acc, bias.astype(np.int64), multiplier.astype(np.int64), op["shift"], op["zero_point"], op["clamp"])


def matmul_act(op, a, b):
    acc = exact_dot(a[0].astype(np.int64) - op["a_zero_point"], (b[0].astype(np.int64) - op["b_zero_point"]).T)
    return requantise(acc[None], 0, op["multiplier"], op["shift"], op["zero_point"], op["clamp"])


def add(op, a, b):
    wide = (a.astype(np.int64) - op["a_zero_point"]) * op["a_multiplier"] + (b.astype(np.int64) - op["b_zero_point"]) * op["b_multiplier"]
    return narrow(wide, op["shift"], op["zero_point"], op["clamp"])


def mul(op, a, b):
    acc = (a.astype(np.int64) - op["a_zero_point"]) * (b.astype(np.int64) - op["b_zero_point"])
    return requantise(acc, 0, op["multiplier"], op["shift"], op["zero_point"], op["clamp"])


def table8(_op, x, table):
    return table[x.astype(np.int64) + 128]


def concat(_op, *parts):
    return np.concatenate(parts, axis=2)


def upsample(op, x):
    return x.repeat(op["factor"], axis=0).repeat(op["factor"], axis=1)


def depth_to_space(op, x):
    h, w, c = x.shape
    b = op["block"]
    return x.reshape(h, w, b, b, c // (b * b)).transpose(0, 2, 1, 3, 4).reshape(h * b, w * b, c // (b * b))


def max_pool(op, x):
    # Filling with -128 is the same as skipping elements outside, because no window is empty.
    return windows(x, op["kernel"], op["stride"], op["padding"], (1, 1), -128).max(axis=(2, 3)).astype(np.int8)


def avg_pool(op, x):
    zero = op["input_zero_point"]
    acc = (windows(x, op["kernel"], op["stride"], op["padding"], (1, 1), zero) - zero).sum(axis=(2, 3))
    return requantise(acc, 0, op["multiplier"], op["shift"], op["zero_point"], op["clamp"])


OPS = {f.__name__: f for f in (conv2d, matmul, matmul_act, add, mul, table8, concat, upsample, depth_to_space, max_pool, avg_pool)}
TENSORS = {"conv2d": ("weights", "bias", "multiplier"), "matmul": ("weights", "bias", "multiplier"), "table8": ("table",)}


class Package:
    """A model package read from its folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.spec = json.loads((self.folder / "model.json").read_text())
        self.tensors = load_file(self.folder / "tensors.safetensors")

    def run(self, *inputs, trace=False):
        """The output for the given i8 inputs; with `trace`, every op's output by name."""
        values = {}
        for entry, x in zip(self.spec["inputs"], inputs, strict=True):
            if list(x.shape) != entry["dims"] or x.dtype != np.int8:
                raise ValueError(f"input {entry['name']} is {x.dtype}{list(x.shape)}, but the model takes int8{entry['dims']}")
            values[entry["name"]] = x
        for op in self.spec["ops"]:
            constants = [self.tensors[op[key]] for key in TENSORS.get(op["op"], ())]
            values[op["name"]] = OPS[op["op"]](op, *(values[name] for name in op["inputs"]), *constants)
        return values if trace else values[self.spec["ops"][-1]["name"]]


def golden_inputs(package, case):
    """Test inputs by rule: element i of all inputs taken together is `((i + case·1000003)·2654435761 mod 2^32) >> 24, minus 128`."""
    out, start = [], case * 1000003
    for entry in package.spec["inputs"]:
        count = int(np.prod(entry["dims"]))
        i = np.arange(start, start + count, dtype=np.uint64)
        out.append(((i * 2654435761 % 2**32 >> 24).astype(np.int64) - 128).astype(np.int8).reshape(entry["dims"]))
        start += count
    return out


def golden(package, cases=3):
    """The golden vectors of a package: SHA-256 over the bytes of the i8 tensors (two's complement, row-major)."""
    vectors = []
    for case in range(cases):
        inputs = golden_inputs(package, case)
        output = package.run(*inputs)
        vectors.append({
            "case": case,
            "input_sha256": [hashlib.sha256(x.tobytes()).hexdigest() for x in inputs],
            "output_dims": list(output.shape),
            "output_sha256": hashlib.sha256(output.tobytes()).hexdigest(),
        })
    return {"rule": golden_inputs.__doc__, "vectors": vectors}


def main():
    for name in sys.argv[1:] or ["upscale", "imagine"]:
        package = Package(Path(__file__).parent / name)
        wanted = json.loads((package.folder / "golden.json").read_text())
        same = golden(package, len(wanted["vectors"])) == wanted
        print(f"{name}: {len(wanted['vectors'])} golden vectors {'match' if same else 'DIFFER'}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    main()
