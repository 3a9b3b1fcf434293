"""Measures the engine on this machine's GPU beside PyTorch, and writes bench/gpu.md.

    python3 bench/gpu.py --engine target/bin/engine-bench-release --tests target/bin/gpus-release

needs nothing but those two programs, the models, NVIDIA's driver and NVRTC, which Python's packages may bring; with PyTorch in this Python
the engine is compared with it, and with compute-sanitizer, of CUDA or of a Python package, the tests run under it too. `cargo xtask bench
gpu` builds the programs and calls this.

What matters most comes first, and the page is written again after every step, so that a run that is cut short leaves what it has: the
tests, one turn of everything, compute-sanitizer, further turns. All that the programs print is in a log beside the page.
"""

import argparse
import contextlib
import ctypes
import datetime
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "bench/gpu_reference.py"
TOOLS = ("memcheck", "racecheck", "synccheck")
# The tests that run under compute-sanitizer, and their op cases: all takes many times as long there.
SANITISED = ("random_graphs", "every_kernel_of_ops", "every_kernel_of_work")
SANITISED_CASES = "50"
# Within which every program has to end, and if there is an end to all of them, compute-sanitizer with all its tools before the second turn.
SECONDS = 600
SANITISER_SECONDS = 90
# Share of the time left that a program may take: one that hangs leaves some to the others.
SHARE = 1 / 3

COMMANDS = """\
    cargo xtask bench gpu                                   # writes this page; IONET_PYTHON names a Python that has PyTorch
    python3 bench/gpu.py --engine ENGINE --tests TESTS      # the same where only the two programs are, and no cargo
    python3 bench/gpu.py --engine ENGINE --tests TESTS --page "$OUT/gpu.md" --seconds 540   # the same, ended in time, where a machine is at hand for ten minutes
    cargo test --release -p engine --test gpus -- --nocapture   # every GPU against the CPU; CUDA_CASES=100000 for more cases
    compute-sanitizer --tool memcheck TESTS --exact random_graphs --nocapture   # TESTS is that test's program; CUDA_CASES=50 for fewer
    ionet-worker selftest --models models                   # the golden vectors, on the CPU and on each GPU
    ionet-worker bench --models models                      # whole runs, copies included, on the CPU and on each GPU
    target/bin/engine-bench-release --synthetic gemm --width 8192 --units 4 --gpu 0     # a single network; --output json for programs
    target/bin/engine-bench-release --compile 90            # an H200's kernels into the cache, for a machine without NVRTC
    target/bin/engine-bench-release --work 12,35,5 --gpu 0      # the work that a call asks of an H200; docs/proof-of-compute.md has the others
"""


# What the engine's rate has to be of PyTorch's, where PyTorch has such a network.
RATIOS = {"gemm": 0.7, "unet": 1.0, "transformer": 1.0}

# Ops of a block, where a network has blocks, for traces of checkpoints: two residual parts of the U-Net, the whole transformer block, half
# of a shipped model.
BLOCKS = {"model": 11, "unet": 8, "transformer": 12}

# Whole batches that are timed, where they copy more than they compute.
BATCHES = {"gemm": 20, "transformer": 50}


class Failed(Exception):
    """A program that was run failed; the message says which, and what it said."""


class Network(NamedTuple):
    """What is measured: a model, or a network made up to be timed."""

    kind: str
    arguments: list
    units: int | None = None


class Turn(NamedTuple):
    """Reports of engine-bench, with a trace of every op and with one of blocks, and unless it is missing, of gpu_reference.py."""

    engine: dict
    blocks: dict | None
    peer: dict | None


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


class Tests(NamedTuple):
    """What the gpus test compared, and how many of its tests did not pass; None for what did not run."""

    ops: int | None = None
    runs: int | None = None
    failed: int | None = None


class Found(NamedTuple):
    """Errors that a tool of compute-sanitizer found in a test, None if it did not get through; and whether it was ended."""

    errors: int | None
    ended: bool = False


@dataclass
class Session:
    """All that a page is made of."""

    machine: str
    date: datetime.date
    rounds: int
    runs: int
    measured: list
    tests: Tests = Tests()
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
        return f"| {self.what} | {self.figure or 'not measured'} | {self.limit} | {'—' if self.holds is None else 'yes' if self.holds else '**no**'} |"


class Ran(NamedTuple):
    """How a program ended, None if it had to be ended, what it had printed by then, and the seconds that it had."""

    code: int | None
    printed: str
    seconds: float = 0


class Programs:
    """Runs programs one after the other, within a time if one is set, and appends to a log what they print, as they do."""

    def __init__(self, log, seconds=None):
        self.log, self.environment, self.share = log, dict(os.environ), SHARE
        self.end = None if seconds is None else time.monotonic() + seconds

    def left(self):
        """Seconds that are left."""
        return SECONDS if self.end is None else self.end - time.monotonic()

    def run(self, command, most=SECONDS, **environment):
        """Runs a program to its end, whatever that is, or ends it and all that it has started."""
        command = [str(part) for part in command]
        seconds = min(most, SECONDS if self.end is None else self.share * self.left())
        if seconds <= 0:
            raise Failed(f"there was no time for {Path(command[0]).name}")
        with self.log.open("ab") as log:
            log.write(f"\n$ {shlex.join(command)}\n".encode())
            log.flush()
            start = log.tell()
            try:
                child = subprocess.Popen(
                    command, env=self.environment | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            except OSError as error:
                raise Failed(f"cannot start {command[0]}: {error.strerror}") from error
            try:
                code = child.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
        with self.log.open("rb") as log:
            log.seek(start)
            return Ran(code, log.read().decode(errors="replace"), seconds)

    def last_line(self, command):
        """The last line that a program prints, or of a report the one that is JSON; it has to succeed."""
        ran = self.run(command)
        lines = ran.printed.strip().splitlines()
        if ran.code is None:
            raise Failed(f"{Path(command[0]).name} had to be ended after {ran.seconds:.0f} s")
        if ran.code != 0:
            raise Failed(f"{Path(command[0]).name} failed: {lines[-1] if lines else 'it said nothing'}")
        return next((line for line in reversed(lines) if line.startswith("{")), lines[-1] if lines else "")

    def report(self, command):
        """The JSON that a benchmark prints."""
        try:
            return json.loads(self.last_line(command))
        except ValueError as error:
            raise Failed(f"{Path(command[0]).name} printed no JSON report") from error


def networks(models):
    """All that is measured."""
    shipped = sorted(path.parent for path in models.glob("*/model.json"))
    products = [(4096, 1), (4096, 4), (8192, 4)]
    return [
        *(Network("model", ["--model", str(folder)]) for folder in shipped),
        *(Network("gemm", ["--synthetic", "gemm", "--width", str(width)], units) for width, units in products),
        *(Network(kind, ["--synthetic", kind]) for kind in ("unet", "transformer")),
    ]


def checked(programs, command):
    """A report of engine-bench, which has to have compared the GPU's bits with the CPU's."""
    found = programs.report(command)
    if not (found.get("gpu") or {}).get("checked"):
        raise Failed("engine-bench compared nothing with the CPU, so its figures count for nothing")
    return found


def measure(programs, engine, of, runs, peer):
    """One more turn of a network. What has failed is not tried again: the engine, or PyTorch alone."""
    network, start = of.network, time.monotonic()
    # PyTorch, and the engine in further turns, do the units that the engine had room for in the first.
    units = of.turns[0].engine["gpu"]["units"] if of.turns else network.units
    fixed = ["--units", units] if units else []
    batches = ["--batches", min(runs, BATCHES[network.kind])] if network.kind in BATCHES else []
    block = BLOCKS.get(network.kind)

    def traced(interval):
        options = ["--checkpoint-interval", interval, "--gpu", 0, "--runs", runs, "--output", "json"]
        return checked(programs, [engine, *network.arguments, *fixed, *batches, *options])

    if not of.turns:
        of.trouble = None
    try:
        ours, blocks, theirs = traced(1), block and traced(block), None
    except Failed as error:
        of.trouble, of.ended = str(error), True
        return
    if peer and network.kind in RATIOS and (not of.turns or of.turns[-1].peer):
        work = ["--units", ours["gpu"]["units"], "--macs", ours["macs_per_unit"], "--runs", runs]
        try:
            theirs = programs.report([sys.executable, REFERENCE, network.kind, *network.arguments[2:], *work])
        except Failed as error:
            of.trouble = str(error)
    of.turns.append(Turn(ours, blocks, theirs))
    of.seconds = time.monotonic() - start


def compared(printed):
    """Op cases and fewest runs of a model that the gpus test printed to have compared, of the GPU that did fewest."""
    ops, runs = (
        {key: int(count) for count, key in re.findall(pattern, printed)}
        for pattern in (r"compared: (\d+) op cases(?: on (GPU \d+))?", r"compared: (\d+) runs of (\w+ on GPU \d+)")
    )
    return min(ops.values(), default=None), min(runs.values(), default=None)


def passed(ran):
    """Whether a test did."""
    return ran.code == 0 and "test result: ok" in ran.printed


def errors(ran):
    """Errors that a tool of compute-sanitizer found, by the last line of what it printed; None if the test did not get through."""
    found = re.findall(r"SUMMARY: .*?(\d+) errors?", ran.printed)
    return int(found[-1]) if found and passed(ran) else None


def refuse(arch, cores, compiler):
    """Ends all if the kernels are not those that the GPU is measured for."""
    if int(arch) == 90 and cores != "Group":
        sys.exit(f"error: NVRTC {compiler} is too old for Hopper's kernels; point IONET_NVRTC at 12.4 or later")


def run_tests(programs, program, models):
    """What the tests compare, each in a process of its own as a fault ends its process, and sentences about those that did not pass."""
    listed = programs.run([program, "--list"]).printed.splitlines()
    printed, troubles, failed = "", [], 0
    for name in [line.removesuffix(": test") for line in listed if line.endswith(": test")]:
        try:
            ran = programs.run([program, "--exact", name, "--nocapture"], IONET_MODELS=str(models))
        except Failed as error:
            ran, why = Ran(None, ""), str(error)
        else:
            why = f"it had to be ended after {ran.seconds:.0f} s" if ran.code is None else f"it ended with code {ran.code}"
        found = re.search(r"found: .*, sm_(\d+), cores (\w+), NVRTC (\S+)$", ran.printed, re.MULTILINE)
        if found:
            refuse(*found.groups())
        elif skipped := re.search(r"skipped: .*$", ran.printed, re.MULTILINE):
            sys.exit(f"error: {skipped[0]}")
        if not passed(ran):
            failed += 1
            troubles.append(f"The test {name} did not pass: {why}.")
        print(f"{'✓' if passed(ran) else '✗'} test {name}", file=sys.stderr)
        printed += ran.printed
    ops, runs = compared(printed)
    return Tests(ops, runs, failed if ops or runs or failed else None), troubles


def packages(pattern):
    """What matches a pattern among NVIDIA's Python packages."""
    return [path for folder in sys.path if folder for path in Path(folder).glob(f"nvidia/{pattern}")]


def compute_sanitizer():
    """CUDA's, or that of a Python package."""
    return shutil.which("compute-sanitizer") or next(iter(packages("*/compute-sanitizer/compute-sanitizer")), None)


def sanitise(programs, tool, program, models, seconds, found):
    """Notes what compute-sanitizer's tools find in each test, the most important first; of what was noted, only what was ended is tried again."""
    end = None if programs.end is None else time.monotonic() + seconds
    for name in SANITISED:
        for check in TOOLS:
            if (check, name) in found and not found[check, name].ended:
                continue
            command = [tool, "--tool", check, program, "--exact", name, "--nocapture"]
            # One that hangs leaves some to the others.
            most = SECONDS if end is None else SHARE * (end - time.monotonic())
            try:
                ran = programs.run(command, most, IONET_MODELS=str(models), CUDA_CASES=SANITISED_CASES)
                found[check, name] = Found(errors(ran), ran.code is None)
            except Failed:
                found[check, name] = Found(None, True)
            print(f"{'✗' if found[check, name].errors != 0 else '✓'} {check} of {name}", file=sys.stderr)


def nvrtc():
    """The newest NVRTC of Python's packages whose kernels the driver takes, or of none the newest."""
    newest = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(newest))
    # CUDA 11's has a minor version in its name.
    major = lambda path: int(path.name.removeprefix("libnvrtc.so.").split(".")[0])
    places = [f"{package}/lib/libnvrtc.so.[0-9]*" for package in ("cu13", "cuda_nvrtc", "cu12")]
    found = [(major(path), path) for place in places for path in packages(place)]
    return max(found, key=lambda of: (of[0] <= newest.value // 1000, of[0]), default=(None, None))[1]


def middle(turns, figure):
    """The median of a figure of each turn."""
    return statistics.median(figure(turn) for turn in turns)


def gpu(name):
    """A figure of the engine's passes or batches."""
    return lambda turn: turn.engine["gpu"][name]


def tail(of):
    """How much longer than the median the slowest hundredth of passes or batches takes."""
    return lambda turn: turn.engine["gpu"][f"{of}_p99_ms"] / turn.engine["gpu"][f"{of}_p50_ms"]


def cost(report):
    """Share of the throughput, in percent, that hashing takes: 25 % more time is 20 % less throughput."""
    return 100 - 100 / (1 + report["gpu"]["trace_overhead_percent"] / 100)


def ratios(turns):
    """The engine's rate beside PyTorch's, of each turn of both."""
    return [gpu("units_per_second")(turn) / peer_rate(turn) for turn in turns if turn.peer]


def peer_rate(turn):
    """Units a second of PyTorch, which has passes under way one after the other, as the engine has."""
    return turn.peer["units_per_second"]


def of_blocks(turns):
    """What hashing the ends of blocks adds to a pass, if there are any, and how many ends that is."""
    if not turns[0].blocks:
        return "–"
    added = middle(turns, lambda turn: turn.blocks["gpu"]["trace_overhead_percent"])
    return f"{added:+.1f} % ({turns[0].blocks['checkpoints']} of {turns[0].engine['checkpoints']})"


def name_of(turns):
    return f"{turns[0].engine['model']} × {turns[0].engine['gpu']['units']}"


def unfair(turns):
    """A turn in which PyTorch's network is not the engine's, if there is one."""
    return next((turn for turn in turns if turn.peer and not turn.peer.get("macs_as_the_engine", True)), None)


def asked(measured, tests, sanitised):
    """The things that are asked, one line each."""

    def line(what, figure, form, sign, limit, note=""):
        shown = None if figure is None else form.format(figure) + note
        holds = None if figure is None else figure >= limit if sign == "≥" else figure <= limit
        return Line(what, shown, f"{sign} {form.format(limit)}", holds)

    yield line("random op cases compared with the CPU's, bit by bit", tests.ops, "{:,}", "≥", 10_000)
    yield line("runs of each shipped model compared", tests.runs, "{:,}", "≥", 1_000)
    yield line("tests that did not pass", tests.failed, "{}", "≤", 0)
    for tool in TOOLS:
        through = [found.errors for (of, _), found in sanitised.items() if of == tool and found.errors is not None]
        note = f" ({len(through)} of {len(SANITISED)} tests)"
        found = line(f"errors found by compute-sanitizer's {tool}", sum(through) if through else None, "{}", "≤", 0, note)
        # What it did not get through might have some.
        yield found if len(through) == len(SANITISED) else found._replace(holds=None if found.holds else found.holds)
    beside = {
        "gemm": "int8 GEMM beside cuBLASLt's, the slowest shape", "unet": "U-Net beside PyTorch's at bf16",
        "transformer": "transformer block beside PyTorch's at bf16",
    }
    for kind, what in beside.items():
        among = [of.turns for of in measured if of.network.kind == kind]
        of_kind = [ratios(turns) for turns in among]
        figure = min(statistics.median(found) for found in of_kind) if of_kind and all(of_kind) else None
        found = line(what, figure, "{:.2f}×", "≥", RATIOS[kind])
        yield found._replace(holds=None) if any(map(unfair, among)) else found
    large = [each for each in measured if each.network.kind != "model"]
    most = [
        ("throughput that hashing every op of large networks costs", lambda turn: cost(turn.engine), "{:.1f} %", 10, large),
        ("throughput that hashing the ends of blocks of large networks costs", lambda turn: cost(turn.blocks), "{:.1f} %", 1,
         [each for each in large if each.network.kind in BLOCKS]),
        ("p99/p50 of passes", tail("pass"), "{:.2f}", 1.2, measured),
        ("p99/p50 of batches, copied and hashed", tail("batch"), "{:.2f}", 1.2, measured),
    ]
    for what, figure, form, limit, among in most:
        of = [each.turns for each in among]
        worst, name = max(((middle(turns, figure), name_of(turns)) for turns in of if turns), default=(None, None))
        found = line(f"{what}, the worst", worst, form, "≤", limit, f" ({name})")
        # What is missing might be worse yet.
        yield found if all(of) else found._replace(holds=None if found.holds else found.holds)


def page(session):
    """The whole of bench/gpu.md."""
    turns = [turn for of in session.measured for turn in of.turns]
    peers = [turn.peer for turn in turns if turn.peer]
    peer = f"PyTorch {peers[0]['torch']}" if peers else "PyTorch was not there, or failed, so the engine stands alone"
    kernels = [turn.engine["kernels"] for turn in turns]
    kernels = "; kernels for sm_{arch}, cores {cores}, by NVRTC {compiler}".format(**kernels[0]) if kernels else ""
    answers = "\n".join(map(str, asked(session.measured, session.tests, session.sanitised)))
    own, both, troubles = [], [], [f"\n{trouble}\n" for trouble in session.troubles]
    for (tool, name), found in session.sanitised.items():
        if found.errors is None:
            troubles.append(f"\ncompute-sanitizer did not get through {name} with {tool}.\n")
    for of in session.measured:
        turns = of.turns
        if turn := unfair(turns):
            ours, theirs = turn.engine["macs_per_unit"], turn.peer["macs_per_unit"]
            troubles.append(f"\nA unit of {name_of(turns)} has {ours} multiply-accumulates, and PyTorch's {theirs}: they are not the same network.\n")
        if of.trouble:
            troubles.append(f"\nOf {' '.join(of.network.arguments)} not all was measured, in {len(turns)} turns: {of.trouble}.\n")
        if not turns:
            continue
        own.append(
            "| {} | {:.3f} ms | {:.3f} ms | {:.3f} ms | {:.1f} | {:.1f} | {:+.1f} % | {} | {:.3f} ms | {:.3f} ms | {:.3f} ms | {:.0f} MiB |".format(
                name_of(turns),
                *(middle(turns, gpu(name)) for name in ("pass_p50_ms", "pass_p95_ms", "pass_p99_ms", "units_per_second", "tera_ops_per_second",
                  "trace_overhead_percent")),
                of_blocks(turns), *(middle(turns, gpu(name)) for name in ("batch_p50_ms", "batch_p99_ms")),
                middle(turns, lambda turn: turn.engine["unit_ms"]), middle(turns, gpu("memory_mib")),
            )
        )
        if found := ratios(turns):
            with_peer = [turn for turn in turns if turn.peer]
            both.append(
                f"| {name_of(turns)} | {with_peer[0].peer['how']} | {middle(with_peer, gpu('units_per_second')):.1f} | {middle(with_peer, peer_rate):.1f} | "
                f"{middle(with_peer, lambda turn: turn.peer['median_ms']):.3f} ms | {middle(with_peer, lambda turn: turn.peer['p99_ms']):.3f} ms | "
                f"{statistics.median(found):.2f}× ({min(found):.2f} to {max(found):.2f}) |"
            )
    table = lambda head, rows: "\n".join([head, *rows]) + "\n"
    text = f"""# The engine on a GPU

Written by `bench/gpu.py` on {session.date}. Machine: {session.machine}{kernels}. {peer}.
Engine and PyTorch take up to {session.rounds} turns of {session.runs} runs each; every figure is the median of the turns. Before a network
is timed, the first and the last unit of a whole batch are compared with the CPU's, bit by bit. The lines about hashing are about the
networks that were made up to be as large as those in use; what it costs the shipped models, which are tiny, the table tells beside them.

| what is asked | measured | limit | holds |
|---|--:|--:|---|
{answers}
{"".join(troubles)}
## The engine

A pass computes so many units at once, without copies from and to the host, while another is under way, where memory allows; two operations
per multiply-accumulate. A batch is as many passes, from the inputs blob to the outputs blob and all traces.

""" + table(
        "| network × units | pass p50 | p95 | p99 | units/s | int8 TOPS | time of a pass with every op hashed | with the ends of blocks hashed | batch p50 | p99 | one unit with copies, p50 | GPU memory |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", own
    )
    if both:
        text += """
## Beside PyTorch

The same layers, units and multiply-accumulates. PyTorch's product ends at int32; its other networks are at bf16, the U-Net channels-last.
Rates are of passes one after the other without a wait between them, on both sides; the times of a pass are of PyTorch alone, with a wait.

""" + table(
            "| network × units | PyTorch's form | engine, units/s | PyTorch, units/s | PyTorch's pass, p50 | p99 | engine's rate (turns) |\n"
            "|---|---|--:|--:|--:|--:|--:|", both
        )
    if session.work:
        text += """
## The work of a call

{layers} layers of {bytes:,} bytes in lines of {width:,}: **{seconds:.2f} s**, {seconds_per_layer:.3f} s a layer, {tera_ops_per_second:.0f} TOPS.
Sums of lines of a layer passed Freivalds' check, and an element of the last layer is what the definition says.
""".format(**session.work)
    return text + "\n## Commands\n\n" + COMMANDS


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True, help="the program engine-bench")
    parser.add_argument("--tests", type=Path, help="the program of the engine's test gpus; without it nothing is compared with the CPU")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the model packages")
    parser.add_argument("--page", type=Path, default=ROOT / "bench/gpu.md", help="where to write; the log lies beside it")
    parser.add_argument("--rounds", type=int, default=3, help="turns of engine and PyTorch")
    parser.add_argument("--runs", type=int, default=200, help="timed runs of a turn")
    parser.add_argument("--work", default="12,35,5", help="size of the work of a call, as engine-bench takes it: an H200's unless told")
    parser.add_argument("--seconds", type=float, help="end after so many, with what there is by then")
    args = parser.parse_args(arguments)
    log = args.page.with_suffix(".log")
    log.unlink(missing_ok=True)
    programs = Programs(log, args.seconds)
    try:
        name, driver = programs.last_line(["nvidia-smi", "--id=0", "--query-gpu=name,driver_version", "--format=csv,noheader"]).split(", ")
        machine, trouble = f"{name}, driver {driver}", []
    except (Failed, ValueError) as error:
        # Where it is missing, a GPU may be there all the same.
        machine, trouble = "unknown", [f"The machine's name is not known: {error}."]
    if "IONET_NVRTC" not in programs.environment and (library := nvrtc()):
        programs.environment["IONET_NVRTC"] = str(library)
    peer = importlib.util.find_spec("torch") is not None
    if not peer:
        print("… there is no PyTorch in this Python, so the engine is measured alone", file=sys.stderr)
    engine, models, program = args.engine.resolve(), args.models.resolve(), args.tests and args.tests.resolve()
    measured = [Measured(network) for network in networks(models)]
    session = Session(machine, datetime.date.today(), args.rounds, args.runs, measured, troubles=trouble)

    def write():
        args.page.write_text(page(session))

    if program:
        session.tests, failures = run_tests(programs, program, models)
        session.troubles += failures
        write()
    sanitiser = compute_sanitizer() if session.tests.ops else None
    if session.tests.ops and not sanitiser:
        session.troubles.append("compute-sanitizer is neither on the PATH nor among Python's packages.")
    for turn in range(args.rounds):
        for of in measured:
            if of.ended:
                continue
            if of.seconds > programs.left():
                of.trouble = of.trouble or f"there was no time for turn {turn + 1}"
                continue
            measure(programs, engine, of, args.runs, peer)
            print(f"{'✗' if of.trouble else '✓'} {' '.join(of.network.arguments)}: {of.trouble or 'measured'}", file=sys.stderr)
            if of.turns:
                refuse(*(of.turns[0].engine["kernels"][name] for name in ("arch", "cores", "compiler")))
            write()
        if turn > 0:
            continue
        try:
            session.work = programs.report([engine, "--work", args.work, "--gpu", 0, "--output", "json"])
        except Failed as error:
            session.troubles.append(f"The work of a call was not measured: {error}.")
        write()
        if sanitiser:
            sanitise(programs, sanitiser, program, models, SANITISER_SECONDS, session.sanitised)
            write()
        # What has ended once takes about as long again.
        programs.share = 1
    if sanitiser:
        sanitise(programs, sanitiser, program, models, programs.left(), session.sanitised)
    write()
    if not any(of.turns for of in measured):
        sys.exit(f"error: nothing could be measured; {args.page} has the reasons, {log} all that was printed")
    print(f"{args.page.read_text()}\nwritten to {args.page}")


if __name__ == "__main__":
    main()
