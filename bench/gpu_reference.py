"""Times the networks of `engine-bench --synthetic` in PyTorch, to compare it with the engine on a GPU.

    python bench/gpu_reference.py gemm --width 8192 --units 4
    python bench/gpu_reference.py unet --units 64

Prints one line of JSON: the milliseconds per pass, the units per second of passes that run back to back, and the multiply-accumulates per
unit.

The product is cuBLASLt's at int8, with the fastest of the algorithms that it proposes. It ends with int32 sums; the rate of the same
product at bf16 is reported too. The other networks have the same layers at bf16. They are compiled if that is fast enough, and otherwise
recorded as a CUDA graph. Where the engine looks codes up in a table, they compute SiLU.
"""

import argparse
import functools
import json
import signal
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import cublaslt

# Most elements in a tensor.
MAX_ELEMENTS = 1 << 24
# Shortest time over which a rate is measured, like the engine's: for some milliseconds a GPU may draw more power than it can sustain, and
# is faster. And the time for which the GPU is kept busy before.
RATE_SECONDS = 0.5
WARM_SECONDS = 0.2
# The same two times when algorithms are only ranked; the runs between two waits; and the rows of the product that are compared.
CANDIDATE_SECONDS = 0.05
CANDIDATES_WARM_SECONDS = 0.1
FEW_RUNS = 20
FEW_ROWS = 64
# Least number of runs for a p99.
P99_RUNS = 100


def conv(channels_in, channels, kernel=3, stride=1):
    return nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2)


class Residual(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = conv(channels, channels), conv(channels, channels)

    def forward(self, x):
        return x + self.second(functional.silu(self.first(x)))


class Up(nn.Module):
    """Upsamples by two and concatenates the skip connection."""

    def __init__(self, channels_in, beside, channels):
        super().__init__()
        self.join = conv(channels_in + beside, channels, 1)

    def forward(self, x, beside):
        return self.join(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), beside], 1))


class Unet(nn.Module):
    """A U-Net from 64 × 64 × 320 down to 16 × 16 × 1,280 and up again."""

    def __init__(self):
        super().__init__()
        self.high = nn.Sequential(conv(4, 320), Residual(320))
        self.middle = nn.Sequential(conv(320, 640, stride=2), Residual(640))
        self.low = nn.Sequential(conv(640, 1280, stride=2), Residual(1280), Residual(1280))
        self.up_middle, self.middle_again = Up(1280, 640, 640), Residual(640)
        self.up_high, self.high_again = Up(640, 320, 320), Residual(320)
        self.out = conv(320, 4)

    def forward(self, x):
        high = self.high(x)
        middle = self.middle(high)
        up = self.middle_again(self.up_middle(self.low(middle), middle))
        return self.out(self.high_again(self.up_high(up, high)))


class Transformer(nn.Module):
    """A transformer block of width 1,024 with one head."""

    def __init__(self, width=1024):
        super().__init__()
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        weights = functional.silu(self.query(x) @ self.key(x).transpose(1, 2))
        first = x + self.mix(weights @ self.value(x))
        return first + self.narrow(functional.silu(self.wide(first)))


def unet(units, device):
    # Move to the device before casting: random bf16 numbers are slow on the CPU.
    layout = {"dtype": torch.bfloat16, "memory_format": torch.channels_last}
    return Unet().to(device).to(**layout), torch.randn(units, 4, 64, 64, device=device).to(**layout)


def transformer(units, device):
    return Transformer().to(device, torch.bfloat16), torch.randn(units, 1024, 1024, device=device).to(torch.bfloat16)


# Multiply-accumulates of each op, from its output and arguments, as the protocol counts them: ops that are not products count one per
# element, or per term of a sum. All other ops are views.
ATEN = torch.ops.aten
MACS = {
    ATEN.convolution: lambda out, x, weights, *_: out.numel() * weights[0].numel(),
    ATEN.addmm: lambda out, bias, x, weights: out.numel() * len(weights),
    ATEN.bmm: lambda out, x, y: out.numel() * x.shape[2],
    ATEN.silu: lambda out, x: out.numel(),
    ATEN.add: lambda out, x, y: 2 * out.numel(),
    ATEN.upsample_nearest2d: lambda out, *_: out.numel(),
    ATEN.cat: lambda out, *_: out.numel(),
}


class Counter(TorchDispatchMode):
    """Counts the multiply-accumulates of the ops that run within it."""

    macs = 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **kwargs or {})
        count = MACS.get(op.overloadpacket)
        self.macs += count(out, *args) if count else 0
        return out


def macs_of(make):
    """Multiply-accumulates per unit, counted op by op without computing anything."""
    module, x = make(1, "meta")
    with Counter() as counter:
        module(x)
    return counter.macs


def gemm(width, units, device):
    """A pass of the product, a description of how it runs, its multiply-accumulates per unit, and a pass at bf16."""
    rows = min(width, MAX_ELEMENTS // width)
    codes = lambda *dims: torch.randint(-127, 128, dims, dtype=torch.int8, device=device)
    # The weights are stored channel by channel, as cuBLASLt requires.
    x, weights = codes(units * rows, width), codes(width, width)
    sums = torch.empty(units * rows, width, dtype=torch.int32, device=device)
    run, how = fastest_product(x, weights, sums, device)
    halves, half_weights = x.bfloat16(), weights.bfloat16().t()
    return run, how, rows * width * width, lambda: halves @ half_weights


def fastest_product(x, weights, sums, device):
    """The product with the fastest of cuBLASLt's algorithms, and a description of how it runs."""
    try:
        # Times on the CPU mean nothing.
        if device != "cuda":
            raise OSError("this is a CPU")
        return tuned_product(cublaslt.loaded(), x, weights, sums, device), "cuBLASLt int8, the fastest of its algorithms"
    except (OSError, AttributeError, RuntimeError) as error:
        # PyTorch lets cuBLASLt choose an algorithm without a workspace, which need not be the fastest.
        return lambda: torch._int_mm(x, weights.t(), out=sums), f"torch._int_mm with its default algorithm: {error}"


def tuned_product(library, x, weights, sums, device):
    """The product with the fastest of the algorithms that cuBLASLt proposes. Skips those that fail or give wrong sums."""
    product = cublaslt.Product(library, len(x), len(weights), x.shape[1])
    workspace = torch.empty(cublaslt.WORKSPACE, dtype=torch.uint8, device=device)
    some = slice(None, None, -(-len(x) // FEW_ROWS))
    # Doubles hold the sums exactly.
    expected = (x[some].double() @ weights.double().t()).int()
    right = []
    for candidate in product.candidates:
        run = functools.partial(product.run, candidate, x, weights, sums, workspace)
        sums.zero_()
        try:
            run()
        except RuntimeError as error:
            print(f"an algorithm failed: {error}", file=sys.stderr)
            continue
        if torch.equal(sums[some], expected):
            right.append(run)
    if not right:
        raise RuntimeError(f"none of the {len(product.candidates)} algorithms gives the right sums")
    rate(right[0], device, FEW_RUNS, CANDIDATES_WARM_SECONDS)
    return max(right, key=lambda run: rate(run, device, FEW_RUNS, CANDIDATE_SECONDS))


class OutOfTime(BaseException):
    """Compiling takes too long. Not an `Exception`, because the compiler swallows those in many places."""


def compiled(module, x, seconds):
    """A pass of the compiled module. Raises `OutOfTime` if compiling takes more than `seconds`."""

    def out_of_time(*_):
        raise OutOfTime

    # The input never moves, so it need not be copied for the CUDA graph.
    torch._dynamo.mark_static_address(x)
    fast = torch.compile(module, mode="reduce-overhead", dynamic=False)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        fast(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return lambda: fast(x)


def recorded(module, x):
    """A pass of the module as a CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            module(x)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        module(x)
    return graph.replay


def fastest_form(module, x, device, seconds):
    """A pass of the module, and a description of how it runs: compiled, if that takes no more than `seconds`."""
    try:
        return compiled(module, x, seconds), "compiled"
    except (Exception, OutOfTime) as error:
        how = f"not compiled ({type(error).__name__})"
    if device == "cuda":
        return recorded(module, x), f"CUDA graph, {how}"
    return lambda: module(x), how


def wait(device):
    """Waits until everything that was started is done."""
    if device == "cuda":
        torch.cuda.synchronize()


def rate(run, device, runs, least):
    """Runs per second, measured over at least `least` seconds. Runs are started back to back, because the engine keeps passes in flight
    too. There is a wait after every `runs` runs, without which the time could not be measured."""
    started, count, elapsed = time.perf_counter(), 0, 0.0
    while not count or elapsed < least:
        for _ in range(runs):
            run()
        wait(device)
        count, elapsed = count + runs, time.perf_counter() - started
    return count / elapsed


def measure(run, device, runs):
    """The duration of each run in milliseconds, shortest first, and runs per second, after some runs to warm up."""
    rate(run, device, -(-runs // 10), WARM_SECONDS)
    per_second = rate(run, device, runs, RATE_SECONDS)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        wait(device)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times), per_second


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=["gemm", "unet", "transformer"])
    parser.add_argument("--width", type=int, default=4096, help="columns of the gemm")
    parser.add_argument("--units", type=int, default=1, help="units per pass")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="times on the CPU mean nothing")
    parser.add_argument("--macs", type=int, help="multiply-accumulates per unit in the engine, to compare with")
    parser.add_argument("--compile-seconds", type=float, default=60, help="time limit for compiling")
    args = parser.parse_args()
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    beside = {}
    with torch.no_grad():
        if args.network == "gemm":
            run, how, macs, halves = gemm(args.width, args.units, args.device)
            beside = {"bf16_units_per_second": measure(halves, args.device, FEW_RUNS)[1] * args.units}
        else:
            make = {"unet": unet, "transformer": transformer}[args.network]
            macs = macs_of(make)
        same = args.macs in (None, macs)
        if not same:
            print(f"a unit of {args.network} has {macs} multiply-accumulates, but the engine's has {args.macs}", file=sys.stderr)
        if args.network != "gemm":
            run, how = fastest_form(*make(args.units, args.device), args.device, args.compile_seconds)
        times, rate = measure(run, args.device, args.runs)
    print(json.dumps({
        "network": args.network, "torch": torch.__version__, "how": how, "units": args.units, "runs": args.runs,
        "macs_per_unit": macs, "macs_as_the_engine": same,
        "units_per_second": rate * args.units, "median_ms": statistics.median(times),
        "p99_ms": times[-(-99 * len(times) // 100) - 1] if len(times) >= P99_RUNS else None, **beside,
    }))


if __name__ == "__main__":
    main()
