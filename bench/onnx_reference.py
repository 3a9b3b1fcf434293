"""Times a model package's graph in onnxruntime at int8, to compare it with the engine.

    python bench/onnx_reference.py models/upscale --threads 1 --runs 50

Prints one line of JSON: the median milliseconds per unit, the peak memory, and how much the outputs differ from the exact ones.

The graph is the same op for op. But onnxruntime scales in float32 and rounds half to even, so a few output codes may be off by one.
Codes are stored offset-binary (u8 = i8 + 128), the layout for which onnxruntime's u8×s8 kernels are tuned.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MICROSOFT = "com.microsoft"


class Builder:
    """Collects the nodes and constants of an NCHW u8 graph."""

    def __init__(self, onnx):
        self.onnx, self.nodes, self.constants = onnx, [], []

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def scale(self, value):
        return self.constant(np.asarray(value, np.float32))

    def zero(self, code):
        return self.constant(np.uint8(code + 128))

    def node(self, kind, inputs, output, domain="", **attributes):
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))

    def convolution(self, op, weights, bias, multiplier, **attributes):
        # Our scales are all in the multiplier, so both activation scales are 1. ONNX pads with the input's zero point, so the zero point is
        # set to our pad_value, and the bias corrects for it.
        pad = op.get("pad_value", 0)
        bias = bias.astype(np.int64) + pad * weights.astype(np.int64).sum(axis=(1, 2, 3))
        ratio = multiplier.astype(np.float64) / 2.0 ** op["shift"]
        self.node(
            "QLinearConv",
            [
                op["inputs"][0], self.scale(1), self.zero(pad), self.constant(weights.transpose(0, 3, 1, 2).copy()), self.scale(ratio),
                self.constant(np.zeros(len(ratio), np.int8)), self.scale(1), self.zero(op["zero_point"]), self.constant(bias.astype(np.int32)),
            ],
            op["name"], **attributes,
        )

    def conv2d(self, op, weights, bias, multiplier):
        self.convolution(op, weights, bias, multiplier, strides=op["stride"], pads=op["padding"], dilations=op["dilation"], group=op["groups"])

    def matmul(self, op, weights, bias, multiplier):
        # QLinearMatMul takes no bias; a 1×1 convolution does.
        self.convolution(op, weights[:, None, None, :], bias, multiplier)

    def add(self, op):
        self.binary("QLinearAdd", op, op["a_multiplier"], op["b_multiplier"])

    def mul(self, op):
        self.binary("QLinearMul", op, op["multiplier"], 1 << op["shift"])

    def binary(self, kind, op, a, b):
        one = 2.0 ** op["shift"]
        inputs = [op["inputs"][0], self.scale(a / one), self.zero(op["a_zero_point"]), op["inputs"][1], self.scale(b / one), self.zero(op["b_zero_point"])]
        self.node(kind, [*inputs, self.scale(1), self.zero(op["zero_point"])], op["name"], MICROSOFT)

    def upsample(self, op):
        sizes = self.constant(np.array([1, 1, op["factor"], op["factor"]], np.float32))
        self.node(
            "Resize", [op["inputs"][0], "", sizes], op["name"], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
        )

    def depth_to_space(self, op):
        self.node("DepthToSpace", op["inputs"], op["name"], blocksize=op["block"], mode="DCR")


def build(package, tensors_of):
    """The package as a serialised ONNX model with NHWC u8 inputs and output."""
    import onnx

    builder, spec = Builder(onnx), package.spec
    inputs = []
    for entry in spec["inputs"]:
        inputs.append(onnx.helper.make_tensor_value_info(entry["name"] + ".nhwc", onnx.TensorProto.UINT8, [1, *entry["dims"]]))
        builder.node("Transpose", [entry["name"] + ".nhwc"], entry["name"], perm=[0, 3, 1, 2])
    for op in spec["ops"]:
        make = getattr(builder, op["op"], None)
        if make is None or op.get("clamp", [-128, 127]) != [-128, 127]:
            sys.exit(f"op {op['name']} ({op['op']}) has no counterpart here yet; add one to Builder")
        make(op, *(package.tensors[op[key]] for key in tensors_of.get(op["op"], ())))
    builder.node("Transpose", [spec["ops"][-1]["name"]], "output.nhwc", perm=[0, 2, 3, 1])
    output = onnx.helper.make_tensor_value_info("output.nhwc", onnx.TensorProto.UINT8, None)
    graph = onnx.helper.make_graph(builder.nodes, spec["name"], inputs, [output], builder.constants)
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(MICROSOFT, 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return model.SerializeToString()


def peak_rss():
    """Peak memory in bytes. Linux's ru_maxrss starts at the parent's peak, so on Linux this reads VmHWM instead."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(folder, threads, runs, warmup):
    """Runs in its own process, so that the peak memory is onnxruntime's and not the graph builder's."""
    import onnxruntime

    baseline = peak_rss()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    data = dict(np.load(folder / "data.npz"))
    expected = data.pop("expected")
    times = []
    for i in range(warmup + runs):
        started = time.perf_counter()
        (output,) = session.run(None, data)
        if i >= warmup:
            times.append((time.perf_counter() - started) * 1000)
    difference = np.abs(output[0].astype(np.int16) - expected.astype(np.int16))
    return {
        "onnxruntime": onnxruntime.__version__, "threads": threads, "runs": runs,
        "median_ms": round(statistics.median(times), 4), "best_ms": round(min(times), 4),
        "peak_rss_bytes": peak_rss(), "python_rss_bytes": baseline,
        "different_share": round(float((difference > 0).mean()), 6), "largest_difference": int(difference.max()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, nargs="?", help="folder with model.json and tensors.safetensors")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.threads, args.runs, args.warmup)))
        return
    if args.package is None:
        parser.error("name the package's folder, for example models/upscale")

    sys.path.insert(0, str(ROOT / "models"))
    from reference import TENSORS, Package, golden_inputs

    package = Package(args.package)
    codes = golden_inputs(package, 0)
    offset = lambda x: (x.astype(np.int16) + 128).astype(np.uint8)
    feeds = {e["name"] + ".nhwc": offset(x)[None] for e, x in zip(package.spec["inputs"], codes, strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "model.onnx").write_bytes(build(package, TENSORS))
        np.savez(folder / "data.npz", expected=offset(package.run(*codes)), **feeds)
        command = [sys.executable, __file__, "--measure", folder, "--threads", args.threads, "--runs", args.runs, "--warmup", args.warmup]
        child = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=False)
    if child.returncode != 0:
        sys.exit(f"onnxruntime could not run {args.package}; its message is above")
    print(json.dumps({"model": package.spec["name"]} | json.loads(child.stdout)))


if __name__ == "__main__":
    main()
