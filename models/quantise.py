"""Training graphs that become integer model packages.

A model is a list of layers. `forward` runs it on JAX arrays, either in float or with every activation and weight rounded
as in the integer model (with straight-through gradients). `calibrate` fixes the activation scales between these two
training phases. `export` writes `model.json` and `tensors.safetensors`.
"""

import json
import math
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from safetensors.numpy import save_file

from reference import Package, golden


@dataclass(frozen=True)
class Layer:
    """One op. `relu` and `scale` describe its output; without a `scale`, it is calibrated. `fixed` weights are not trained."""

    op: str
    name: str
    inputs: tuple
    channels: int = 0
    kernel: int = 1
    padding: int = 0
    dilation: int = 1
    relu: bool = False
    factor: int = 0
    scale: float | None = None
    fixed: object = field(default=None, compare=False)


@dataclass(frozen=True)
class Quant:
    """real = (code − zero_point)·scale"""

    scale: float
    zero_point: int


PASS_THROUGH = ("depth_to_space", "upsample")
WEIGHTED = ("conv2d", "matmul")


def init(layers, input_channels, seed):
    """He-initialised weights `[kh, kw, ci, co]` and zero biases of the trained layers."""
    rng = np.random.default_rng(seed)
    channels, params = dict(input_channels), {}
    for layer in layers:
        ci = channels[layer.inputs[0]]
        if layer.op in WEIGHTED:
            channels[layer.name] = layer.channels
            if layer.fixed is None:
                shape = (layer.kernel, layer.kernel, ci, layer.channels)
                std = math.sqrt((2 if layer.relu else 1) / (layer.kernel**2 * ci))
                params[layer.name] = {
                    "w": jnp.asarray(rng.normal(0, std, shape), jnp.float32),
                    "b": jnp.zeros(layer.channels, jnp.float32),
                }
        else:
            channels[layer.name] = ci // layer.factor**2 if layer.op == "depth_to_space" else ci
    return params


def round_ste(x):
    return x + lax.stop_gradient(jnp.floor(x + 0.5) - x)


def fake_quant(x, q):
    return (jnp.clip(round_ste(x / q.scale) + q.zero_point, -128, 127) - q.zero_point) * q.scale


def weight_scale(w):
    """Per output channel, symmetric, so that codes lie in [−127, 127]."""
    return jnp.maximum(jnp.max(jnp.abs(w), axis=(0, 1, 2)), 1e-8) / 127


def kernel_of(layer, params):
    if layer.fixed is not None:
        return jnp.asarray(layer.fixed), jnp.zeros(layer.fixed.shape[-1])
    return params[layer.name]["w"], params[layer.name]["b"]


def forward(layers, params, inputs, quants=None):
    """All values by name. With `quants`, they are rounded as in the integer model."""
    values = dict(inputs)
    for layer in layers:
        x = values[layer.inputs[0]]
        if layer.op in WEIGHTED:
            w, b = kernel_of(layer, params)
            if quants:
                s = lax.stop_gradient(weight_scale(w))
                w = jnp.clip(round_ste(w / s), -127, 127) * s
            y = lax.conv_general_dilated(
                x, w, (1, 1), [(layer.padding, layer.padding)] * 2,
                rhs_dilation=(layer.dilation, layer.dilation), dimension_numbers=("NHWC", "HWIO", "NHWC"),
            ) + b
        elif layer.op == "add":
            y = x + values[layer.inputs[1]]
        elif layer.op == "mul":
            y = x * values[layer.inputs[1]]
        elif layer.op == "upsample":
            y = x.repeat(layer.factor, axis=1).repeat(layer.factor, axis=2)
        elif layer.op == "depth_to_space":
            n, h, w, c = x.shape
            f = layer.factor
            y = x.reshape(n, h, w, f, f, c // (f * f)).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * f, w * f, c // (f * f))
        else:
            raise ValueError(f"layer {layer.name} has the unknown op {layer.op}")
        if layer.relu:
            y = jax.nn.relu(y)
        if quants and layer.op not in PASS_THROUGH:
            y = fake_quant(y, quants[layer.name])
        values[layer.name] = y
    return values


def calibrate(layers, params, inputs, input_quants, keep=0.9999):
    """Activation scales from the values of one float batch. Values beyond the quantile `keep` may saturate."""
    values = forward(layers, params, inputs)
    quants = dict(input_quants)
    for layer in layers:
        if layer.op in PASS_THROUGH:
            quants[layer.name] = quants[layer.inputs[0]]
            continue
        if layer.scale is not None:
            quants[layer.name] = Quant(layer.scale, 0)
            continue
        v = np.asarray(values[layer.name]).ravel()
        hi = max(float(np.quantile(v, keep)), 1e-6)
        if layer.relu:
            quants[layer.name] = Quant(hi / 255, -128)
        else:
            lo = min(float(np.quantile(v, 1 - keep)), 0.0)
            scale = (max(hi, 0.0) - lo) / 255
            quants[layer.name] = Quant(scale, int(np.clip(round(-128 - lo / scale), -128, 127)))
    return quants


def multipliers(ratios):
    """Integers m and one shift s with m/2^s nearest to each ratio and the largest m still below 2^31."""
    ratios = np.abs(np.asarray(ratios, np.float64))
    top = float(ratios.max())
    if not 0 < top < 2**29:
        raise ValueError(f"the ratio {top} of scales cannot be a multiplier; check the calibration")
    shift = min(62, 30 - math.floor(math.log2(top)))
    while round(top * 2.0**shift) >= 2**31:
        shift -= 1
    return np.round(ratios * 2.0**shift).astype(np.int64), shift


def export(folder, header, inputs, layers, params, quants):
    """Writes the package and its golden vectors. `inputs` is a list of (name, dims)."""
    ops, tensors = [], {}
    for layer in layers:
        src, out = [quants[name] for name in layer.inputs], quants[layer.name]
        op = {"op": layer.op, "name": layer.name, "inputs": list(layer.inputs)}
        tail = {"zero_point": out.zero_point, "clamp": [-128, 127]}
        if layer.op in WEIGHTED:
            w, b = (np.asarray(v, np.float64) for v in kernel_of(layer, params))
            s_w = np.asarray(weight_scale(jnp.asarray(w, jnp.float32)), np.float64)
            codes = np.clip(np.floor(w / s_w + 0.5), -127, 127).transpose(3, 0, 1, 2).astype(np.int8)
            bias = np.round(b / (src[0].scale * s_w)).astype(np.int64) - src[0].zero_point * codes.astype(np.int64).sum(axis=(1, 2, 3))
            if np.abs(bias).max() >= 2**30:
                raise ValueError(f"layer {layer.name}: a bias is beyond 2^30")
            m, shift = multipliers(src[0].scale * s_w / out.scale)
            keys = {key: f"{layer.name}.{key}" for key in ("weights", "bias", "multiplier")}
            if layer.op == "matmul":
                codes = codes[:, 0, 0, :]
            tensors |= {keys["weights"]: np.ascontiguousarray(codes), keys["bias"]: bias.astype(np.int32), keys["multiplier"]: m.astype(np.int32)}
            op |= keys
            if layer.op == "conv2d":
                op |= {
                    "stride": [1, 1], "padding": [layer.padding] * 4, "dilation": [layer.dilation] * 2, "groups": 1,
                    "pad_value": src[0].zero_point if layer.padding else 0,
                }
            op |= {"shift": shift} | tail
        elif layer.op == "add":
            m, shift = multipliers([src[0].scale / out.scale, src[1].scale / out.scale])
            op |= {
                "a_zero_point": src[0].zero_point, "b_zero_point": src[1].zero_point,
                "a_multiplier": int(m[0]), "b_multiplier": int(m[1]), "shift": shift,
            } | tail
        elif layer.op == "mul":
            m, shift = multipliers([src[0].scale * src[1].scale / out.scale])
            op |= {"a_zero_point": src[0].zero_point, "b_zero_point": src[1].zero_point, "multiplier": int(m[0]), "shift": shift} | tail
        elif layer.op == "upsample":
            op |= {"factor": layer.factor}
        elif layer.op == "depth_to_space":
            op |= {"block": layer.factor}
        ops.append(op)
    spec = {"format": 1} | header | {"inputs": [{"name": name, "dims": list(dims)} for name, dims in inputs], "ops": ops}
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(pretty(spec))
    save_file(tensors, folder / "tensors.safetensors")
    package = Package(folder)
    (folder / "golden.json").write_text(json.dumps(golden(package), indent=1, ensure_ascii=False) + "\n")
    return package


def pretty(spec):
    """JSON with one line per op and per word, for readers and diffs."""
    def value(v, depth):
        if isinstance(v, dict) and depth < 2:
            rows = (f'{" " * (depth + 1)}{json.dumps(key)}: {value(x, depth + 1)}' for key, x in v.items())
            return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"
        if isinstance(v, list) and v and isinstance(v[0], dict):
            return "[\n" + ",\n".join(" " * (depth + 1) + json.dumps(x, ensure_ascii=False) for x in v) + "\n" + " " * depth + "]"
        return json.dumps(v, ensure_ascii=False)

    return value(spec, 0) + "\n"


def macs(package):
    """Multiply-accumulates per unit, from the shapes in a traced run."""
    values = package.run(*(np.zeros(e["dims"], np.int8) for e in package.spec["inputs"]), trace=True)
    return sum(
        int(np.prod(values[op["name"]].shape)) * int(np.prod(package.tensors[op["weights"]].shape[1:]))
        for op in package.spec["ops"] if op["op"] in WEIGHTED
    )
