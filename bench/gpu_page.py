"""What `gpu.py` measures, what is asked of it, and the page that says both."""

from __future__ import annotations

import datetime
import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

# The tools of compute-sanitizer, and the tests that run under them, the most important first.
TOOLS = ("memcheck", "racecheck", "synccheck")
SANITISED = ("random_graphs", "every_kernel_of_ops", "every_kernel_of_work")

# What the engine's rate has to be of PyTorch's, where PyTorch has such a network.
RATIOS = {"gemm": 0.7, "unet": 1.0, "transformer": 1.0}

# Ops from one checkpoint to the next: of the U-Net so many that no fewer bytes are hashed than the ends of its residual blocks are, of the
# transformer block all.
INTERVALS = {"unet": 5, "transformer": 12}

# Why a GPU does not run as fast as it could: bits of a number that nvidia-smi gives. The first, that it idles, is left out.
REASONS = {
    0x2: "its user's setting", 0x4: "power limit", 0x8: "hardware", 0x10: "other GPUs", 0x20: "heat", 0x40: "heat, by hardware",
    0x80: "power supply",
}

COMMANDS = """\
    cargo xtask bench gpu                                   # writes this page; IONET_PYTHON names a Python that has PyTorch
    python3 bench/gpu.py --engine ENGINE --tests TESTS --worker WORKER   # the same where only the three programs are, and no cargo
    python3 bench/gpu.py --engine ENGINE --tests TESTS --worker WORKER --page "$OUT/gpu.md" --seconds 540   # the same, ended in time, where a machine is at hand for ten minutes
    cargo test --release -p engine --test gpus -- --nocapture   # every GPU against the CPU; CUDA_CASES=100000 for more cases
    compute-sanitizer --tool memcheck TESTS --exact random_graphs --nocapture   # TESTS is that test's program; CUDA_CASES=50 for fewer
    ionet-worker selftest --models models                   # the golden vectors, on the CPU and on each GPU
    ionet-worker bench --models models                      # whole runs, copies included, on the CPU and on each GPU
    target/bin/engine-bench-release --synthetic gemm --width 8192 --units 4 --gpu 0     # a single network; --output json for programs
    target/bin/engine-bench-release --compile 90            # an H200's kernels into the cache, for a machine without NVRTC
    target/bin/engine-bench-release --work 12,35,5 --gpu 0      # the work that a call asks of an H200; docs/proof-of-compute.md has the others
"""


class Network(NamedTuple):
    """What is measured: a model, or a network made up to be timed."""

    kind: str
    arguments: list
    units: int | None = None
    # Ops from one checkpoint to the next, if it is to be measured with fewer than all of them too.
    interval: int | None = None


class Load(NamedTuple):
    """The most power that a GPU took in a while, its clock and temperature then, and bits of REASONS of all the while."""

    watts: float
    megahertz: int
    celsius: int
    reasons: int


class Turn(NamedTuple):
    """Reports of engine-bench, with a trace of every op and of checkpoints, and of gpu_reference.py; None for what is missing."""

    engine: dict
    sparse: dict | None = None
    peer: dict | None = None
    load: Load | None = None


@dataclass
class Measured:
    """What was measured of a network, and why not more."""

    network: Network
    turns: list = field(default_factory=list)
    trouble: str | None = "it was not reached"
    # That a turn took.
    seconds: float = 0
    # Whether the engine failed, which is not tried again.
    ended: bool = False


class Test(NamedTuple):
    """Op cases and runs of a model that a test compared, None if it has none, and why it did not pass, if it did not."""

    name: str
    ops: int | None = None
    runs: int | None = None
    trouble: str | None = None


class Found(NamedTuple):
    """Errors that a tool of compute-sanitizer found in a test; if it did not get through None, and why; and whether it was ended."""

    errors: int | None
    ended: bool = False
    trouble: str | None = None


@dataclass
class Session:
    """All that a page is made of."""

    machine: str
    date: datetime.date
    rounds: int
    runs: int
    measured: list
    # Names of the tests that there are, and what came of those that ran.
    listed: list = field(default_factory=list)
    tests: list = field(default_factory=list)
    # Whether the worker's self-test passed.
    golden: bool | None = None
    # By tool and test.
    sanitised: dict = field(default_factory=dict)
    work: dict | None = None
    # Sentences about what else is missing.
    troubles: list = field(default_factory=list)


class Line(NamedTuple):
    """One thing that is asked: its figure, what that has to be, and whether it is."""

    what: str
    figure: str | None
    limit: str
    holds: bool | None

    def __str__(self):
        holds = "—" if self.holds is None else "yes" if self.holds else "**no**"
        return row(self.what, self.figure or "not measured", self.limit, holds)

    def of_part(self, whole):
        """The same of a figure that may not be of the whole: what is missing might be worse yet."""
        return self if whole else self._replace(holds=None if self.holds else self.holds)


def middle(turns, figure):
    """The median of a figure of each turn that has it; None if none has."""
    found = [value for value in map(figure, turns) if value is not None]
    return statistics.median(found) if found else None


def gpu(name):
    """A figure of the engine's passes or batches."""
    return lambda turn: turn.engine["gpu"][name]


def tail(of):
    """How much longer than the median the slowest hundredth of passes or batches takes; None of too few to tell."""
    p99, p50 = gpu(f"{of}_p99_ms"), gpu(f"{of}_p50_ms")
    return lambda turn: p99(turn) and p99(turn) / p50(turn)


def cost(report):
    """Share of the throughput, in percent, that hashing takes: 25 % more time is 20 % less throughput."""
    return report and 100 - 100 / (1 + report["gpu"]["trace_overhead_percent"] / 100)


def ratios(turns):
    """The engine's rate beside PyTorch's, of each turn of both."""
    return [gpu("units_per_second")(turn) / peer_rate(turn) for turn in turns if turn.peer]


def peer_rate(turn):
    """Units a second of PyTorch, whose passes follow each other."""
    return turn.peer["units_per_second"]


def name_of(turns):
    return f"{turns[0].engine['model']} × {turns[0].engine['gpu']['units']}"


def objection(turns):
    """Why PyTorch's figures are no measure of the engine's, if a turn says so."""
    for turn in turns:
        peer, name = turn.peer or {}, name_of([turn])
        if not peer.get("macs_as_the_engine", True):
            counts = f"{turn.engine['macs_per_unit']} multiply-accumulates, and PyTorch's {peer['macs_per_unit']}"
            return f"A unit of {name} has {counts}: they are not the same network."
        if peer and peer.get("bf16_units_per_second", 0) > peer_rate(turn):
            rates = f"{peer_rate(turn):.1f} units/s, and at bf16 {peer['bf16_units_per_second']:.1f}"
            return f"PyTorch's {name} at int8 comes to {rates}: one that slow is no measure of the engine."
    return None


def asked(session):
    """The things that are asked, one line each."""

    def line(what, figure, form, sign, limit, note=""):
        shown = None if figure is None else form.format(figure) + note
        holds = None if figure is None else figure >= limit if sign == "≥" else figure <= limit
        return Line(what, shown, f"{sign} {form.format(limit)}", holds)

    whole = len(session.tests) == len(session.listed)
    passed = whole and not any(test.trouble for test in session.tests)
    ops, runs = "random op cases compared with the CPU's, bit by bit", "runs of each shipped model compared"
    for what, figure, limit in ((ops, "ops", 10_000), (runs, "runs", 1_000)):
        of = [(getattr(test, figure), test.trouble) for test in session.tests if getattr(test, figure) is not None]
        found = line(what, min((count for count, _ in of), default=None), "{:,}", "≥", limit).of_part(passed)
        # What ends a test that compares is a difference, or nearly as bad.
        yield found._replace(holds=False) if any(trouble for _, trouble in of) else found
    failed = sum(test.trouble is not None for test in session.tests) if session.tests else None
    note = f" ({len(session.tests)} of {len(session.listed)} tests)"
    yield line("tests that did not pass", failed, "{}", "≤", 0, note).of_part(whole)
    golden = None if session.golden is None else "passed" if session.golden else "failed"
    yield Line("golden vectors of each shipped model, on the CPU and the GPU", golden, "passed", session.golden)
    for tool in TOOLS:
        through = [found.errors for (of, _), found in session.sanitised.items() if of == tool and found.errors is not None]
        note = f" ({len(through)} of {len(SANITISED)} tests)"
        found = line(f"errors found by compute-sanitizer's {tool}", sum(through) if through else None, "{}", "≤", 0, note)
        yield found.of_part(len(through) == len(SANITISED))
    beside = {
        "gemm": "int8 GEMM beside cuBLASLt's, the slowest shape", "unet": "U-Net beside PyTorch's at bf16",
        "transformer": "transformer block beside PyTorch's at bf16",
    }
    for kind, what in beside.items():
        among = [of.turns for of in session.measured if of.network.kind == kind]
        of_kind = [ratios(turns) for turns in among]
        figure = min(statistics.median(found) for found in of_kind) if of_kind and all(of_kind) else None
        found = line(what, figure, "{:.2f}×", "≥", RATIOS[kind])
        yield found._replace(holds=None) if any(map(objection, among)) else found
    large = [each for each in session.measured if each.network.kind != "model"]
    most = [
        ("throughput that hashing every op of large networks costs", lambda turn: cost(turn.engine), "{:.1f} %", 10, large),
        ("throughput that hashing checkpoints of large networks costs", lambda turn: cost(turn.sparse), "{:.1f} %", 1,
         [each for each in large if each.network.interval]),
        ("p99/p50 of passes", tail("pass"), "{:.2f}", 1.2, session.measured),
        ("p99/p50 of batches, copied and hashed", tail("batch"), "{:.2f}", 1.2, session.measured),
    ]
    for what, figure, form, limit, among in most:
        of = [(middle(each.turns, figure), each.turns) for each in among]
        known = [(value, name_of(turns)) for value, turns in of if value is not None]
        worst, name = max(known, default=(None, None))
        yield line(f"{what}, the worst", worst, form, "≤", limit, f" ({name})").of_part(len(known) == len(among))


def shown(form, value):
    return "–" if value is None else form.format(value)


def of_checkpoints(turns):
    """What hashing checkpoints adds to a pass, where it was measured, and how much is hashed."""
    found = next((turn.sparse for turn in turns if turn.sparse), None)
    added = middle(turns, lambda turn: turn.sparse and turn.sparse["gpu"]["trace_overhead_percent"])
    count = lambda report: report["checkpoints"]
    return found and f"{added:+.1f} % ({count(found)} of {count(turns[0].engine)}, {found['checkpoint_bytes'] / (1 << 20):.2f} MiB)"


def own_row(turns):
    """The engine's figures of a network."""
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
    """The engine's and PyTorch's figures of a network, of turns that have both."""
    found, ms, rate = ratios(turns), "{:.3f} ms", middle(turns, peer_rate)
    return row(
        name_of(turns), turns[0].peer["how"], *(f"{middle(turns, gpu(name)):.1f}" for name in ("units_per_second", "tera_ops_per_second")),
        f"{rate:.1f}", f"{2 * turns[0].peer['macs_per_unit'] * rate / 1e12:.1f}",
        *(shown(ms, middle(turns, lambda turn: turn.peer[name])) for name in ("median_ms", "p99_ms")),
        f"{statistics.median(found):.2f}× ({min(found):.2f} to {max(found):.2f})",
    )


def load_row(turns):
    """What the GPU took meanwhile, of turns in which it was asked."""
    most = max(turn.load for turn in turns)
    reasons = [name for bit, name in REASONS.items() if any(turn.load.reasons & bit for turn in turns)]
    return row(name_of(turns), f"{most.watts:.0f} W", f"{most.megahertz} MHz", f"{most.celsius} °C", "; ".join(reasons) or "nothing")


def row(*cells):
    # Some are what a program said when it failed.
    cells = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(cells)} |"


def troubles(session):
    """Sentences about all that is missing or to be doubted."""
    yield from session.troubles
    for test in session.tests:
        if test.trouble:
            yield f"The test {test.name} did not pass: {test.trouble}."
    for (tool, name), found in session.sanitised.items():
        if found.errors is None:
            yield f"compute-sanitizer did not get through {name} with {tool}: {found.trouble}."
    for of in session.measured:
        if doubt := objection(of.turns):
            yield doubt
        if of.trouble:
            yield f"Of {' '.join(of.network.arguments)} not all was measured, in {len(of.turns)} turns: {of.trouble}."


def page(session):
    """The whole of bench/gpu.md."""
    turns = [turn for of in session.measured for turn in of.turns]
    peers = [turn.peer for turn in turns if turn.peer]
    peer = f"PyTorch {peers[0]['torch']}" if peers else "PyTorch was not there, or failed, so the engine stands alone"
    kernels = [turn.engine["kernels"] for turn in turns]
    kernels = "; kernels for sm_{arch}, cores {cores}, by NVRTC {compiler}".format(**kernels[0]) if kernels else ""
    passed = ", ".join(test.name for test in session.tests if not test.trouble)
    rows = lambda make, has: [make(found) for of in session.measured if (found := [turn for turn in of.turns if has(turn)])]
    own, both = rows(own_row, lambda turn: True), rows(peer_row, lambda turn: turn.peer)
    loads = rows(load_row, lambda turn: turn.load)
    table = lambda head, rows: "\n".join([head, *rows]) + "\n"
    lines = table("| what is asked | measured | limit | holds |\n|---|--:|--:|---|", map(str, asked(session)))
    missing = "".join(f"{trouble}\n\n" for trouble in troubles(session))
    text = f"""# The engine on a GPU

Written by `bench/gpu.py` on {session.date}. Machine: {session.machine}{kernels}. {peer}.
Engine and PyTorch take up to {session.rounds} turns, of {session.runs} runs or more: a rate is of half a second at least. Every figure is
the median of the turns, and a p99 is of at least 100 runs. Before a network is timed, the first and the last unit of a whole batch are compared with the CPU's, bit by bit.

The lines about hashing are about the networks that were made up to be as large as those in use; what it costs the shipped models, which are
tiny, the table tells beside them. Checkpoints stand for the ends of blocks: every {INTERVALS["unet"]}th op of the U-Net and its last,
5.33 MiB a unit where the ends of its blocks come to 4.39 MiB, the transformer block's end, and of a shipped model what its package says.

{lines}
{missing}Tests that passed: {passed or "none"}.

## The engine

A pass computes so many units at once, without copies from and to the host; two passes are under way, each waited for, where memory allows.
A multiply-accumulate is two operations. A batch is as many units as are under way, from the inputs blob to the outputs blob and all traces.

""" + table(
        "| network × units | pass p50 | p95 | p99 | units/s | int8 TOPS | time of a pass with every op hashed | with checkpoints hashed | batch p50 | p99 | one unit with copies, p50 | GPU memory |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", own
    )
    if loads:
        text += """
## Power and clock

What the GPU said every second while the engine was timed: the most power that it took, its clock and temperature then, and all that held
its clock down.

""" + table("| network × units | power | clock | temperature | held down by |\n|---|--:|--:|--:|---|", loads)
    if both:
        text += """
## Beside PyTorch

The same layers, units and multiply-accumulates. PyTorch's product ends at int32; its other networks are at bf16, the U-Net channels-last.
The engine has two passes under way, each waited for; PyTorch's follow each other, and are waited for once in as many as a turn has runs.
The times of a pass are of PyTorch alone, with a wait.

""" + table(
            "| network × units | PyTorch's form | engine, units/s | int8 TOPS | PyTorch, units/s | TOPS, or TFLOPS at bf16 | PyTorch's pass, p50 | p99 | engine's rate (turns) |\n"
            "|---|---|--:|--:|--:|--:|--:|--:|--:|", both
        )
    if session.work:
        text += """
## The work of a call

{layers} layers of {bytes:,} bytes in lines of {width:,}: **{seconds:.2f} s**, {seconds_per_layer:.3f} s a layer, {tera_ops_per_second:.0f} TOPS.
Sums of lines of a layer passed Freivalds' check, and an element of the last layer is what the definition says.
""".format(**session.work)
    return text + f"""
## What this does not show

A GPU that is lost or full while it computes, one that is too old, an old driver and none: those an emulated driver has shown
(`workers/engine/tests/driver.rs`).

## Commands

{COMMANDS}"""
