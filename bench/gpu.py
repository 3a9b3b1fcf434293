"""Measures the engine on this machine's GPU beside PyTorch, and writes bench/gpu.md.

    python3 bench/gpu.py --engine target/bin/engine-bench-release --tests target/bin/gpus-release

needs nothing but those two programs, the models and NVIDIA's driver; with PyTorch in this Python the engine is compared with it, and
with compute-sanitizer on the PATH the tests run under it too. `cargo xtask bench gpu` builds the programs and calls this.
"""

import argparse
import datetime
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("memcheck", "racecheck", "synccheck")
# Op cases under compute-sanitizer, where all takes many times as long.
SANITISED_CASES = "200"
# Within which every program has to end.
SECONDS = 600

COMMANDS = """\
    cargo xtask bench gpu                                   # writes this page; IONET_PYTHON names a Python that has PyTorch
    python3 bench/gpu.py --engine ENGINE --tests TESTS      # the same where only the two programs are, and no cargo
    cargo test --release -p engine --test gpus -- --nocapture   # every GPU against the CPU; CUDA_CASES=100000 for more cases
    compute-sanitizer --tool memcheck TESTS --skip memory --nocapture   # TESTS is that test's program; CUDA_CASES=200 for fewer
    ionet-worker selftest --models models                   # the golden vectors, on the CPU and on each GPU
    ionet-worker bench --models models                      # whole runs, copies included, on the CPU and on each GPU
    target/bin/engine-bench-release --synthetic gemm --width 8192 --units 4 --gpu 0     # a single network; --output json for programs
    target/bin/engine-bench-release --work 12,32,6 --gpu 0      # the work that a call asks of an RTX 4090; docs/proof-of-compute.md has the others
"""


# What the engine's rate has to be of PyTorch's, where PyTorch has such a network.
RATIOS = {"gemm": 0.7, "unet": 1.0, "transformer": 1.0}

# Ops of a block, where a network has blocks, for traces of checkpoints: two residual parts of the U-Net, the whole transformer block, half of a
# shipped model.
BLOCKS = {"model": 11, "unet": 8, "transformer": 12}


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


class Tests(NamedTuple):
    """What the gpus test compared; None for what did not run."""

    ops: int | None = None
    runs: int | None = None
    failed: int | None = None
    sanitiser: int | None = None


class Line(NamedTuple):
    """One thing that is asked: its figure, what that has to be, and whether it is."""

    what: str
    figure: str | None
    limit: str
    holds: bool | None

    def __str__(self):
        return f"| {self.what} | {self.figure or 'not measured'} | {self.limit} | {'—' if self.holds is None else 'yes' if self.holds else '**no**'} |"


def networks(models):
    """All that is measured."""
    shipped = sorted(path.parent for path in models.glob("*/model.json"))
    products = [(4096, 1), (4096, 4), (8192, 4)]
    return [
        *(Network("model", ["--model", str(folder)]) for folder in shipped),
        *(Network("gemm", ["--synthetic", "gemm", "--width", str(width)], units) for width, units in products),
        *(Network(kind, ["--synthetic", kind]) for kind in ("unet", "transformer")),
    ]


def run(command, environment=None):
    """Runs a program to its end, whatever that is; what it printed is kept."""
    command = [str(part) for part in command]
    try:
        return subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, timeout=SECONDS, check=False)
    except OSError as error:
        raise Failed(f"cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} takes longer than {SECONDS} s") from error


def last_line(command):
    """The last line that a program prints, which has to succeed."""
    done = run(command)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"{Path(command[0]).name} failed: {said}")
    return (done.stdout.splitlines() or [""])[-1]


def report(command):
    """The JSON that a benchmark prints as its last line."""
    try:
        return json.loads(last_line(command))
    except ValueError as error:
        raise Failed(f"{command[0]} printed no JSON report") from error


def measure(engine, network, rounds, runs, peer):
    """Turns of one network, and why there are no more, or none of PyTorch's."""
    turns, trouble, units = [], None, network.units
    for _ in range(rounds):
        fixed = ["--units", units] if units else []
        block = BLOCKS.get(network.kind)
        traced = lambda interval: report(
            [engine, *network.arguments, *fixed, "--checkpoint-interval", interval, "--gpu", 0, "--runs", runs, "--output", "json"]
        )
        try:
            ours, blocks = traced(1), block and traced(block)
        except Failed as error:
            return turns, str(error)
        # PyTorch, and the engine in further turns, do the units that the engine had room for in the first.
        units, theirs = ours["gpu"]["units"], None
        if peer and network.kind in RATIOS and not trouble:
            work = ["--units", units, "--macs", ours["macs_per_unit"], "--runs", runs]
            try:
                theirs = report([sys.executable, ROOT / "bench/gpu_reference.py", network.kind, *network.arguments[2:], *work])
            except Failed as error:
                trouble = str(error)
        turns.append(Turn(ours, blocks, theirs))
    return turns, trouble


def compared(printed):
    """Op cases, fewest runs of a model, and tests failed, of what the gpus test printed."""
    ops = [int(number) for number in re.findall(r"compared: (\d+) op cases", printed)]
    runs = [int(number) for number in re.findall(r"compared: (\d+) runs of", printed)]
    failed = [int(number) for number in re.findall(r"test result: .*?(\d+) failed", printed)]
    return min(ops, default=None), min(runs, default=None), sum(failed) if failed and (ops or runs or sum(failed)) else None


def errors(printed):
    """Errors that a tool of compute-sanitizer found, by the last line of what it printed; None if the tests did not get through."""
    found = re.findall(r"SUMMARY: .*?(\d+) errors?", printed)
    ops, _, failed = compared(printed)
    return int(found[-1]) if found and ops and failed == 0 else None


def run_tests(command, models, cases=None):
    """What the gpus test prints: whether it fails is said there."""
    try:
        done = run(command, {"IONET_MODELS": str(models)} | ({"CUDA_CASES": cases} if cases else {}))
    except Failed as error:
        print(f"✗ {error}", file=sys.stderr)
        return ""
    print(done.stdout + done.stderr, file=sys.stderr)
    return done.stdout


def sanitise(program, models):
    """Errors that the tools of compute-sanitizer find in the tests."""
    # The tool has to have some of the memory that one of the tests takes all of.
    command = [program, "--skip", "memory", "--nocapture"]
    found = [errors(run_tests(["compute-sanitizer", "--tool", tool, *command], models, SANITISED_CASES)) for tool in TOOLS]
    return None if None in found else sum(found)


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
    """Units a second of PyTorch, whose pass has the engine's units."""
    return turn.engine["gpu"]["units"] / turn.peer["median_ms"] * 1e3


def of_blocks(turns):
    """What hashing the ends of blocks adds to a pass, if there are any, and how many ends that is."""
    if not turns[0].blocks:
        return "–"
    added = middle(turns, lambda turn: turn.blocks["gpu"]["trace_overhead_percent"])
    return f"{added:+.1f} % ({turns[0].blocks['checkpoints']} of {turns[0].engine['checkpoints']})"


def name_of(turns):
    return f"{turns[0].engine['model']} × {turns[0].engine['gpu']['units']}"


def asked(measured, tests):
    """The things that are asked, one line each."""

    def line(what, figure, form, sign, limit, note=""):
        shown = None if figure is None else form.format(figure) + note
        holds = None if figure is None else figure >= limit if sign == "≥" else figure <= limit
        return Line(what, shown, f"{sign} {form.format(limit)}", holds)

    yield line("random op cases compared with the CPU's, bit by bit", tests.ops, "{:,}", "≥", 10_000)
    yield line("runs of each shipped model compared", tests.runs, "{:,}", "≥", 1_000)
    yield line("tests that found a difference", tests.failed, "{}", "≤", 0)
    yield line(f"errors found by compute-sanitizer ({', '.join(TOOLS)})", tests.sanitiser, "{}", "≤", 0)
    beside = {
        "gemm": "int8 GEMM beside cuBLASLt's, the slowest shape", "unet": "U-Net beside PyTorch's at bf16",
        "transformer": "transformer block beside PyTorch's at bf16",
    }
    for kind, what in beside.items():
        of_kind = [ratios(turns) for network, turns, _ in measured if network.kind == kind]
        figure = min(statistics.median(found) for found in of_kind) if of_kind and all(of_kind) else None
        yield line(what, figure, "{:.2f}×", "≥", RATIOS[kind])
    most = [
        ("throughput that hashing every op costs", lambda turn: cost(turn.engine), "{:.1f} %", 10, measured),
        ("throughput that hashing the ends of blocks costs", lambda turn: cost(turn.blocks), "{:.1f} %", 1,
         [each for each in measured if each[0].kind in BLOCKS]),
        ("p99/p50 of passes", tail("pass"), "{:.2f}", 1.2, measured),
        ("p99/p50 of batches, copied and hashed", tail("batch"), "{:.2f}", 1.2, measured),
    ]
    for what, figure, form, limit, of in most:
        worst, name = max(((middle(turns, figure), name_of(turns)) for _, turns, _ in of if turns), default=(None, None))
        found = line(f"{what}, the worst", worst, form, "≤", limit, f" ({name})")
        # What is missing might be worse yet.
        yield found if all(turns for _, turns, _ in of) else found._replace(holds=None if found.holds else found.holds)


def page(machine, date, rounds, runs, measured, tests):
    """The whole of bench/gpu.md."""
    peers = [turn.peer for _, turns, _ in measured for turn in turns if turn.peer]
    peer = f"PyTorch {peers[0]['torch']}" if peers else "PyTorch was not there, or failed, so the engine stands alone"
    answers = "\n".join(map(str, asked(measured, tests)))
    own, both, trouble = [], [], []
    for network, turns, why in measured:
        if why:
            trouble.append(f"\nOf {' '.join(network.arguments)} not all was measured: {why}.\n")
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

Written by `bench/gpu.py` on {date}. Machine: {machine}. {peer}. Engine and PyTorch take {rounds} turns of {runs} runs each; every figure is the
median of the turns.

| what is asked | measured | limit | holds |
|---|--:|--:|---|
{answers}
{"".join(trouble)}
## The engine

A pass computes so many units at once, without copies from and to the host, while another is under way, where memory allows; two operations per
multiply-accumulate. A batch is as many passes, from the inputs blob to the outputs blob and all traces.

""" + table(
        "| network × units | pass p50 | p95 | p99 | units/s | int8 TOPS | time of a pass with every op hashed | with the ends of blocks hashed | batch p50 | p99 | one unit with copies, p50 | GPU memory |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", own
    )
    if both:
        text += """
## Beside PyTorch

The same layers, units and multiply-accumulates. PyTorch's product ends at int32; its other networks are at bf16, the U-Net channels-last.

""" + table(
            "| network × units | PyTorch's form | engine, units/s | PyTorch, units/s | PyTorch's pass, p50 | p99 | engine's rate (turns) |\n"
            "|---|---|--:|--:|--:|--:|--:|", both
        )
    return text + "\n## Commands\n\n" + COMMANDS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True, help="the program engine-bench")
    parser.add_argument("--tests", type=Path, help="the program of the engine's test gpus; without it nothing is compared with the CPU")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the model packages")
    parser.add_argument("--page", type=Path, default=ROOT / "bench/gpu.md", help="where to write")
    parser.add_argument("--rounds", type=int, default=3, help="turns of engine and PyTorch")
    parser.add_argument("--runs", type=int, default=200, help="timed runs of a turn")
    args = parser.parse_args()
    try:
        name, driver = last_line(["nvidia-smi", "--id=0", "--query-gpu=name,driver_version", "--format=csv,noheader"]).split(", ")
    except Failed as error:
        sys.exit(f"error: {error}; run this on a machine with an NVIDIA GPU and its driver")
    peer = importlib.util.find_spec("torch") is not None
    if not peer:
        print("… there is no PyTorch in this Python, so the engine is measured alone", file=sys.stderr)
    engine, models, program = args.engine.resolve(), args.models.resolve(), args.tests and args.tests.resolve()
    tests = Tests(*compared(run_tests([program, "--nocapture"], models))) if program else Tests()
    measured = [(network, [], "it was not reached") for network in networks(models)]

    def write():
        args.page.write_text(page(f"{name}, driver {driver}", datetime.date.today(), args.rounds, args.runs, measured, tests))

    # Again and again, so that a run that is ended early leaves what it has.
    for index, (network, *_) in enumerate(measured):
        turns, trouble = measure(engine, network, args.rounds, args.runs, peer)
        measured[index] = network, turns, trouble
        print(f"{'✗' if trouble else '✓'} {' '.join(network.arguments)}: {trouble or 'measured'}", file=sys.stderr)
        if turns:
            write()
    if not any(turns for _, turns, _ in measured):
        sys.exit("error: nothing could be measured; the reasons are above")
    if tests.ops:
        tests = tests._replace(sanitiser=sanitise(program, models))
        write()
    print(f"{args.page.read_text()}\nwritten to {args.page}")


if __name__ == "__main__":
    main()
