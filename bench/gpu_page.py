"""The data that `gpu.py` collects, the targets for it, and the page that shows both."""

from __future__ import annotations

import datetime
import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

# The tools of compute-sanitizer, and the tests that run under them, most important first.
TOOLS = ("memcheck", "racecheck", "synccheck")
SANITISED = ("random_graphs", "every_kernel_of_ops", "every_kernel_of_work")

# The NVRTC whose kernels `workers/engine/tests/kernels.rs` checks for spilled registers: the one that `cargo xtask setup` installs.
CHECKED = "12.9"

# Targets for the engine's rate relative to PyTorch's, for the networks that PyTorch runs too.
RATIOS = {"gemm": 0.7, "unet": 1.0, "transformer": 1.0}

# Ops from one checkpoint to the next. The U-Net's hashes at least as many bytes as the ends of its residual blocks have; the transformer
# block has a single checkpoint, its output.
INTERVALS = {"unet": 5, "transformer": 12}

# Why a GPU's clock is held down: the bits of nvidia-smi's bit mask, except the first, which means that the GPU is idle.
REASONS = {
    0x2: "its user's setting", 0x4: "power limit", 0x8: "hardware", 0x10: "other GPUs", 0x20: "heat", 0x40: "heat, by hardware",
    0x80: "power supply",
}

COMMANDS = """\
    # Measure everything and write this page. IONET_PYTHON names a Python that has PyTorch.
    cargo xtask bench gpu

    # The same without cargo, given the three programs. The second form stops within ten minutes.
    python3 bench/gpu.py --engine ENGINE --tests TESTS --worker WORKER
    python3 bench/gpu.py --engine ENGINE --tests TESTS --worker WORKER --page "$OUT/gpu.md" --seconds 540

    # Fifteen minutes of a machine in two runs of at most ten: first everything but compute-sanitizer, which gets the rest and its own page.
    python3 bench/gpu.py --engine ENGINE --tests TESTS --worker WORKER --only tests bench --page "$OUT/gpu.md" --seconds 540
    python3 bench/gpu.py --engine ENGINE --tests TESTS --only sanitise --page "$OUT/sanitised.md" --seconds 240

    # Compare every GPU with the CPU. CUDA_CASES=100000 runs more cases.
    cargo test --release -p engine --test gpus -- --nocapture

    # The same test under compute-sanitizer. TESTS is the program of that test; CUDA_CASES=50 runs fewer cases.
    compute-sanitizer --tool memcheck TESTS --exact random_graphs --nocapture

    # The golden vectors, and whole runs with copies, on the CPU and on each GPU.
    ionet-worker selftest --models models
    ionet-worker bench --models models

    # A single network; --output json is for programs.
    target/bin/engine-bench-release --synthetic gemm --width 8192 --units 4 --gpu 0

    # Compile an H200's kernels into the cache, to be copied to a machine with one. They are used there even if it has NVRTC.
    target/bin/engine-bench-release --compile 90

    # The work that a call asks of an H200. The sizes for other GPUs are in docs/proof-of-compute.md.
    target/bin/engine-bench-release --work 12,35,5 --gpu 0
"""


class Network(NamedTuple):
    """A network to measure: a shipped model or a synthetic one."""

    kind: str
    arguments: list
    units: int | None = None
    # Ops from one checkpoint to the next, if the network is also measured with fewer checkpoints than ops.
    interval: int | None = None


class Load(NamedTuple):
    """The highest power draw of a GPU over a period, its clock and temperature at that moment, and all bits of REASONS in the period."""

    watts: float
    megahertz: int
    celsius: int
    reasons: int


class Turn(NamedTuple):
    """The reports of engine-bench, with a trace of every op and with one of checkpoints, and of gpu_reference.py; None if missing."""

    engine: dict
    sparse: dict | None = None
    peer: dict | None = None
    load: Load | None = None


@dataclass
class Measured:
    """The measurements of a network, and why there are not more."""

    network: Network
    turns: list = field(default_factory=list)
    trouble: str | None = "it was not reached"
    # Duration of the last turn.
    seconds: float = 0
    # Whether the engine failed. It is not tried again.
    ended: bool = False


class Test(NamedTuple):
    """A test: the number of op cases and of model runs that it compared, or None, and why it failed, if it did."""

    name: str
    ops: int | None = None
    runs: int | None = None
    trouble: str | None = None


class Found(NamedTuple):
    """The errors that a tool of compute-sanitizer found in a test; None if it did not finish, and then why, and whether it was stopped. The
    kernels with errors; and the errors without those of MISUNDERSTOOD, if there was a second run."""

    errors: int | None
    ended: bool = False
    trouble: str | None = None
    kernels: tuple = ()
    without: int | None = None


@dataclass
class Session:
    """Everything that goes into the page."""

    machine: str
    date: datetime.date
    rounds: int
    runs: int
    measured: list
    # The names of all tests, and the results of those that ran.
    listed: list = field(default_factory=list)
    tests: list = field(default_factory=list)
    # The versions of NVRTC that compiled the kernels of the tests.
    compilers: set = field(default_factory=set)
    # Whether the worker's self-test passed.
    golden: bool | None = None
    # `Found` by tool and test.
    sanitised: dict = field(default_factory=dict)
    work: dict | None = None
    # Sentences about anything else that is missing.
    troubles: list = field(default_factory=list)


class Line(NamedTuple):
    """One target: the figure measured, the limit, and whether it is met."""

    what: str
    figure: str | None
    limit: str
    holds: bool | None

    def __str__(self):
        holds = "—" if self.holds is None else "yes" if self.holds else "**no**"
        return row(self.what, self.figure or "not measured", self.limit, holds)

    def of_part(self, whole):
        """The line for a figure that may be incomplete: then it can show a failure, but not a success."""
        return self if whole else self._replace(holds=None if self.holds else self.holds)


def middle(turns, figure):
    """The median of a figure over the turns that have it; None if none has."""
    found = [value for value in map(figure, turns) if value is not None]
    return statistics.median(found) if found else None


def gpu(name):
    """A function that gets a figure of the engine on the GPU from a turn."""
    return lambda turn: turn.engine["gpu"][name]


def tail(of):
    """p99 divided by p50 of passes or batches; None if there were too few for a p99."""
    p99, p50 = gpu(f"{of}_p99_ms"), gpu(f"{of}_p50_ms")
    return lambda turn: p99(turn) and p99(turn) / p50(turn)


def cost(report):
    """The percentage of throughput lost to hashing: 25 % more time is 20 % less throughput."""
    return report and 100 - 100 / (1 + report["gpu"]["trace_overhead_percent"] / 100)


def ratios(turns):
    """The engine's rate relative to PyTorch's, for each turn that has both."""
    return [gpu("units_per_second")(turn) / peer_rate(turn) for turn in turns if turn.peer]


def peer_rate(turn):
    """PyTorch's units per second, with passes back to back."""
    return turn.peer["units_per_second"]


def name_of(turns):
    return f"{turns[0].engine['model']} × {turns[0].engine['gpu']['units']}"


def objection(turns):
    """Why PyTorch's figures cannot be compared with the engine's, if that is so in a turn."""
    for turn in turns:
        peer, name = turn.peer or {}, name_of([turn])
        if not peer.get("macs_as_the_engine", True):
            counts = f"{turn.engine['macs_per_unit']} multiply-accumulates, but PyTorch's has {peer['macs_per_unit']}"
            return f"A unit of {name} has {counts}: they are not the same network."
        if peer.get("how", "").startswith("torch._int_mm"):
            return f"PyTorch runs {name} as {peer['how']}. That need not be its fastest, so it is no comparison."
        if peer and peer.get("bf16_units_per_second", 0) > peer_rate(turn):
            rates = f"{peer_rate(turn):.1f} units/s at int8, but {peer['bf16_units_per_second']:.1f} at bf16"
            return f"PyTorch runs {name} with {rates}: its int8 rate is too slow for a comparison."
    return None


def asked(session):
    """The targets, one line each."""

    def line(what, figure, form, sign, limit, note=""):
        shown = None if figure is None else form.format(figure) + note
        holds = None if figure is None else figure >= limit if sign == "≥" else figure <= limit
        return Line(what, shown, f"{sign} {form.format(limit)}", holds)

    whole = len(session.tests) == len(session.listed)
    passed = whole and not any(test.trouble for test in session.tests)
    ops, runs = "random op cases compared with the CPU, bit for bit", "runs of each shipped model compared"
    for what, figure, limit in ((ops, "ops", 10_000), (runs, "runs", 1_000)):
        of = [(getattr(test, figure), test.trouble) for test in session.tests if getattr(test, figure) is not None]
        found = line(what, min((count for count, _ in of), default=None), "{:,}", "≥", limit).of_part(passed)
        # If a test that compares fails, it found a difference, or something nearly as bad.
        yield found._replace(holds=False) if any(trouble for _, trouble in of) else found
    failed = sum(test.trouble is not None for test in session.tests) if session.tests else None
    note = f" ({len(session.tests)} of {len(session.listed)} tests)"
    yield line("tests that failed", failed, "{}", "≤", 0, note).of_part(whole)
    golden = None if session.golden is None else "passed" if session.golden else "failed"
    yield Line("golden vectors of each shipped model, on the CPU and the GPU", golden, "passed", session.golden)
    for tool in TOOLS:
        through = [found.errors for (of, _), found in session.sanitised.items() if of == tool and found.errors is not None]
        note = f" ({len(through)} of {len(SANITISED)} tests)"
        found = line(f"errors found by compute-sanitizer's {tool}", sum(through) if through else None, "{}", "≤", 0, note)
        yield found.of_part(len(through) == len(SANITISED))
    beside = {
        "gemm": "int8 GEMM relative to cuBLASLt, the slowest shape", "unet": "U-Net relative to PyTorch at bf16",
        "transformer": "transformer block relative to PyTorch at bf16",
    }
    for kind, what in beside.items():
        among = [of.turns for of in session.measured if of.network.kind == kind]
        of_kind = [ratios(turns) for turns in among]
        figure = min(statistics.median(found) for found in of_kind) if of_kind and all(of_kind) else None
        # Compiled, PyTorch may be faster than as a CUDA graph.
        hows = {turn.peer["how"] for turns in among for turn in turns if turn.peer}
        note = "".join(f" ({how})" for how in sorted(hows) if how.startswith("CUDA graph"))
        found = line(what, figure, "{:.2f}×", "≥", RATIOS[kind], note)
        yield found._replace(holds=None) if any(map(objection, among)) else found
    large = [each for each in session.measured if each.network.kind != "model"]
    most = [
        ("throughput lost to hashing every op of large networks", lambda turn: cost(turn.engine), "{:.1f} %", 10, large),
        ("throughput lost to hashing checkpoints of large networks", lambda turn: cost(turn.sparse), "{:.1f} %", 1,
         [each for each in large if each.network.interval]),
        ("p99/p50 of passes", tail("pass"), "{:.2f}", 1.2, session.measured),
        ("p99/p50 of batches, with copies and hashing", tail("batch"), "{:.2f}", 1.2, session.measured),
    ]
    for what, figure, form, limit, among in most:
        of = [(middle(each.turns, figure), each.turns) for each in among]
        known = [(value, name_of(turns)) for value, turns in of if value is not None]
        worst, name = max(known, default=(None, None))
        yield line(f"{what}, the worst", worst, form, "≤", limit, f" ({name})").of_part(len(known) == len(among))


def shown(form, value):
    return "–" if value is None else form.format(value)


def of_checkpoints(turns):
    """The time that hashing checkpoints adds to a pass, and how much is hashed; None if it was not measured."""
    found = next((turn.sparse for turn in turns if turn.sparse), None)
    added = middle(turns, lambda turn: turn.sparse and turn.sparse["gpu"]["trace_overhead_percent"])
    count = lambda report: report["checkpoints"]
    return found and f"{added:+.1f} % ({count(found)} of {count(turns[0].engine)}, {found['checkpoint_bytes'] / (1 << 20):.2f} MiB)"


def own_row(turns):
    """A row with the engine's figures for a network."""
    ms, figures = "{:.3f} ms", lambda *names: [middle(turns, gpu(name)) for name in names]
    forms = [
        *zip([ms] * 3 + ["{:.1f}"] * 2 + ["{:+.1f} %"],
             figures("pass_p50_ms", "pass_p95_ms", "pass_p99_ms", "units_per_second", "tera_ops_per_second", "trace_overhead_percent")),
        ("{}", of_checkpoints(turns)),
        *zip([ms] * 2, figures("batch_p50_ms", "batch_p99_ms")),
        (ms, middle(turns, lambda turn: turn.engine["unit_ms"])),
        *zip(["{:.0f} MiB"], figures("memory_mib")),
    ]
    return row(name_of(turns), *(shown(form, value) for form, value in forms))


def peer_row(turns):
    """A row with the engine's and PyTorch's figures for a network, over the turns that have both."""
    found, ms, rate = ratios(turns), "{:.3f} ms", middle(turns, peer_rate)
    return row(
        name_of(turns), turns[0].peer["how"], *(f"{middle(turns, gpu(name)):.1f}" for name in ("units_per_second", "tera_ops_per_second")),
        f"{rate:.1f}", f"{2 * turns[0].peer['macs_per_unit'] * rate / 1e12:.1f}",
        *(shown(ms, middle(turns, lambda turn: turn.peer[name])) for name in ("median_ms", "p99_ms")),
        f"{statistics.median(found):.2f}× ({min(found):.2f} to {max(found):.2f})",
    )


def load_row(turns):
    """A row with the GPU's load while a network was timed, over the turns that have it."""
    most = max(turn.load for turn in turns)
    reasons = [name for bit, name in REASONS.items() if any(turn.load.reasons & bit for turn in turns)]
    return row(name_of(turns), f"{most.watts:.0f} W", f"{most.megahertz} MHz", f"{most.celsius} °C", "; ".join(reasons) or "nothing")


def row(*cells):
    # Some cells hold output of a program that failed.
    cells = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(cells)} |"


def troubles(session):
    """Sentences about everything that is missing or doubtful."""
    yield from session.troubles
    measured = {turn.engine["kernels"]["compiler"] for of in session.measured for turn in of.turns}
    for compiler in sorted((session.compilers | measured) - {CHECKED}):
        yield f"Kernels are by NVRTC {compiler}; `workers/engine/tests/kernels.rs` checks only those by {CHECKED} for spilled registers."
    for test in session.tests:
        if test.trouble:
            yield f"The test {test.name} failed: {test.trouble}."
    for (tool, name), found in session.sanitised.items():
        if found.errors is None:
            yield f"compute-sanitizer did not finish {name} with {tool}: {found.trouble}."
        elif found.errors:
            without = "" if found.without is None else f"; without those for Hopper's tensor cores it found {found.without}"
            kernels = f", in the kernels {', '.join(found.kernels)}" * bool(found.kernels)
            yield f"compute-sanitizer's {tool} found {found.errors} errors in {name}{kernels}{without}."
    for of in session.measured:
        if doubt := objection(of.turns):
            yield doubt
        if of.trouble:
            yield f"{' '.join(of.network.arguments)} was not measured completely (turns: {len(of.turns)}): {of.trouble}."


def page(session):
    """The whole of bench/gpu.md."""
    turns = [turn for of in session.measured for turn in of.turns]
    peers = [turn.peer for turn in turns if turn.peer]
    peer = f"PyTorch {peers[0]['torch']}" if peers else "PyTorch was not installed, failed or was not asked for, so there is no comparison"
    kernels = [turn.engine["kernels"] for turn in turns]
    kernels = "; kernels for sm_{arch}, cores {cores}, by NVRTC {compiler}".format(**kernels[0]) if kernels else ""
    passed = ", ".join(test.name for test in session.tests if not test.trouble)
    rows = lambda make, has: [make(found) for of in session.measured if (found := [turn for turn in of.turns if has(turn)])]
    own, both = rows(own_row, lambda turn: True), rows(peer_row, lambda turn: turn.peer)
    loads = rows(load_row, lambda turn: turn.load)
    table = lambda head, rows: "\n".join([head, *rows]) + "\n"
    lines = table("| target | measured | limit | met |\n|---|--:|--:|---|", map(str, asked(session)))
    missing = "".join(f"{trouble}\n\n" for trouble in troubles(session))
    text = f"""# The engine on a GPU

Written by `bench/gpu.py` on {session.date}. Machine: {session.machine}{kernels}. {peer}.
The engine and PyTorch alternate for up to {session.rounds} turns of {session.runs} runs or more. Every figure is the median of the turns,
every rate is measured over at least half a second, and a p99 is of at least 100 runs. Every TENSOR of a whole batch
is compared with the CPU, bit for bit, before a network is timed, in every timed batch, and at the end.

The limits for hashing apply to synthetic networks as large as those in use. The cost for the shipped models, which are tiny, is in the
table of the engine below. Checkpoints stand for the ends of blocks: every {INTERVALS["unet"]}th op of the U-Net and its last one
(5.33 MiB per unit, where the ends of its blocks have 4.39 MiB), the output of the transformer block, and for a shipped model those of its
package.

{lines}
{missing}Tests that passed: {passed or "none"}.

## The engine

A pass computes several units at once, without copies from and to the host. Two passes are in flight, each waited for, if memory allows. A
multiply-accumulate is two operations. A batch has as many units as are in flight, and goes from the inputs blob to the outputs blob and all
traces.

""" + table(
        "| network × units | pass p50 | p95 | p99 | units/s | int8 TOPS | hashing every op | hashing checkpoints | batch p50 | p99 "
        "| one unit with copies, p50 | GPU memory |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", own
    )
    if loads:
        text += """
## Power and clock

Sampled once a second while the engine was timed: the highest power draw, the clock and temperature at that moment, and everything
that held the clock down.

""" + table("| network × units | power | clock | temperature | clock held down by |\n|---|--:|--:|--:|---|", loads)
    if both:
        text += f"""
## Comparison with PyTorch

Both run the same layers, units and multiply-accumulates. PyTorch's product ends with int32 sums; its other networks run at bf16, the U-Net
channels-last. The engine has two passes in flight, each waited for. PyTorch's passes run back to back, with one wait after every
{session.runs} passes. The times of single passes are PyTorch's, each with a wait.

""" + table(
            "| network × units | PyTorch runs it as | engine, units/s | int8 TOPS | PyTorch, units/s | TOPS, or TFLOPS at bf16 "
            "| PyTorch's pass, p50 | p99 | engine relative to PyTorch (turns) |\n"
            "|---|---|--:|--:|--:|--:|--:|--:|--:|", both
        )
    if session.work:
        text += """
## The work of a call

{layers} layers of {bytes:,} bytes in lines of {width:,}: **{seconds:.2f} s**, {seconds_per_layer:.3f} s per layer,
{tera_ops_per_second:.0f} TOPS.
The sums of some lines of a layer passed Freivalds' check, and one element of the last layer matches the definition.
""".format(**session.work)
    return text + f"""
## What this does not show

GPUs that are lost or full while they compute, GPUs and drivers that are too old, and machines without a GPU. These cases are tested with an
emulated driver (`workers/engine/tests/driver.rs`).

Races with what Hopper's tensor cores read: racecheck does not see these reads. Before 2026.1 it also reports races that do not exist in the
kernels that use them (128x256 and 256x128), so if it finds errors, it runs again without these kernels.

## Commands

{COMMANDS}"""
