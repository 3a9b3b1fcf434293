"""Measures the engine on this machine's GPU beside PyTorch, and writes bench/gpu.md.

    python3 bench/gpu.py --engine target/bin/engine-bench-release --tests target/bin/gpus-release

needs nothing but Python 3.8, those two programs, the models, NVIDIA's driver and NVRTC, which Python's packages may bring; with PyTorch in
this Python the engine is compared with it, and with compute-sanitizer, of CUDA or of a Python package, the tests run under it too. `cargo
xtask bench gpu` builds the programs and calls this.

What matters most comes first, and the page is written again after every step, so that a run that is cut short leaves what it has: the
tests, one turn of everything, compute-sanitizer, further turns. All that the programs print is in a log beside the page.
"""

from __future__ import annotations

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
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from gpu_page import INTERVALS, RATIOS, SANITISED, TOOLS, Found, Load, Measured, Network, Session, Test, Turn, page

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "bench/gpu_reference.py"
# Where CUDA's toolkits lie.
TOOLKITS = Path("/usr/local")
# Op cases of a test under compute-sanitizer: all takes many times as long there.
SANITISED_CASES = "50"
# Within which every program has to end, and if there is an end to all of them, compute-sanitizer with all its tools before the second turn.
SECONDS = 600
SANITISER_SECONDS = 150
# What a test under it may take at least: such a test starts slowly.
SANITISED_SECONDS = 25
# Share of the time left that a program may take: one that hangs leaves some to the others. Of what PyTorch may take, compiling gets a part.
SHARE = 1 / 3
COMPILE_SHARE = 1 / 2
# What nvidia-smi may take, and what the driver may to end a program.
SMI_SECONDS = 20
KILL_SECONDS = 10
# What it prints every second of how a GPU fares; drivers before 535 do not know the last of it, and then it prints nothing of use.
LOAD = [
    "nvidia-smi", "--id=0", "--query-gpu=power.draw,clocks.sm,temperature.gpu,clocks_event_reasons.active", "--format=csv,noheader,nounits",
    "--loop=1",
]
# Batches that are timed: of so many there is a slowest hundredth, and large ones take long.
BATCHES = 100


class Failed(Exception):
    """A program that was run failed; the message says which, and what it said."""


class Ran(NamedTuple):
    """How a program ended, None if it had to be ended, what it had printed by then, and the seconds that it had."""

    code: int | None
    printed: str
    seconds: float = 0

    def passed(self):
        """Whether a test did."""
        return self.code == 0 and "test result: ok" in self.printed

    def ended(self):
        """How it ended, and what it said last."""
        how = f"it had to be ended after {self.seconds:.0f} s" if self.code is None else f"it ended with code {self.code}"
        lines = self.printed.strip().splitlines()
        return f"{how}, and said last: {lines[-1]}" if lines else how


class Programs:
    """Runs programs one after the other, within a time if one is set, and appends to a log what they print, as they do."""

    def __init__(self, log, seconds=None):
        self.log, self.environment, self.share = log, dict(os.environ), SHARE
        self.end = None if seconds is None else time.monotonic() + seconds

    def left(self):
        """Seconds that are left."""
        return SECONDS if self.end is None else self.end - time.monotonic()

    def limit(self, most=SECONDS):
        """Seconds that the next program may take."""
        return min(most, SECONDS if self.end is None else self.share * self.left())

    def run(self, command, most=SECONDS, **environment):
        """Runs a program to its end, whatever that is, or ends it and all that it has started."""
        seconds = self.limit(most)
        if seconds <= 0:
            raise Failed(f"there was no time for {Path(command[0]).name}")
        with self.log.open("ab") as log:
            log.write(f"\n$ {shlex.join(map(str, command))}\n".encode())
            log.flush()
            start = log.tell()
            child = self.start(command, log, **environment)
            code = None
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = child.wait(seconds)
            finally:
                kill(child)
        with self.log.open("rb") as log:
            log.seek(start)
            return Ran(code, log.read().decode(errors="replace"), seconds)

    def start(self, command, output, **environment):
        """Starts a program that prints to a file."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        try:
            return subprocess.Popen(list(map(str, command)), env={**self.environment, **environment}, start_new_session=True, **streams)
        except OSError as error:
            raise Failed(f"cannot start {command[0]}: {error.strerror}") from error

    @contextlib.contextmanager
    def beside(self, command):
        """Has a program run meanwhile, if it can, and gives a list that has by the end the lines that it printed."""
        lines = []
        with tempfile.TemporaryFile() as output:
            try:
                child = self.start(command, output)
            except Failed:
                yield lines
                return
            try:
                yield lines
            finally:
                kill(child)
                output.seek(0)
                lines += output.read().decode(errors="replace").splitlines()

    def last_line(self, command, most=SECONDS):
        """The last line that a program prints, or of a report the one that is JSON; it has to succeed."""
        ran = self.run(command, most)
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


def kill(child):
    """Ends a program and all that it has started, if it has not ended. One that the driver does not let go of is left alone."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(KILL_SECONDS)


def networks(models):
    """All that is measured."""
    shipped = [(path.parent, json.loads(path.read_text())) for path in sorted(models.glob("*/model.json"))]
    products = [(4096, 1), (4096, 4), (8192, 4)]
    return [
        *(Network("model", ["--model", str(folder)], interval=model.get("checkpoint_interval")) for folder, model in shipped),
        *(Network("gemm", ["--synthetic", "gemm", "--width", str(width)], units) for width, units in products),
        *(Network(kind, ["--synthetic", kind], interval=interval) for kind, interval in INTERVALS.items()),
    ]


def checked(programs, command):
    """A report of engine-bench, which has to have compared the GPU's bits with the CPU's."""
    found = programs.report(command)
    if not (found.get("gpu") or {}).get("checked"):
        raise Failed("engine-bench compared nothing with the CPU, so its figures count for nothing")
    return found


def measure(programs, engine, of, runs, peer, write):
    """One more turn of a network. What has failed is not tried again: the engine, its trace of checkpoints, or PyTorch."""
    network, start = of.network, time.monotonic()
    last = of.turns[-1] if of.turns else None
    # PyTorch, and the engine in further turns, do the units that the engine had room for in the first.
    units = last.engine["gpu"]["units"] if last else network.units
    fixed = ["--units", units] if units else []

    def traced(interval, batches):
        options = ["--checkpoint-interval", interval, "--gpu", 0, "--runs", runs, "--batches", batches, "--output", "json"]
        return checked(programs, [engine, *network.arguments, *fixed, *options])

    if not last:
        of.trouble = None
    try:
        with programs.beside(LOAD) as samples:
            ours = traced(1, min(runs, BATCHES))
    except Failed as error:
        of.trouble, of.ended = str(error), True
        return
    refuse(*(ours["kernels"][name] for name in ("arch", "cores", "compiler")))
    turn = Turn(ours, load=load(samples))
    of.turns.append(turn)
    write()
    if peer and network.kind in RATIOS and (not last or last.peer):
        work = ["--units", ours["gpu"]["units"], "--macs", ours["macs_per_unit"], "--runs", runs]
        limits = ["--compile-seconds", f"{COMPILE_SHARE * programs.limit():.1f}"]
        try:
            turn = turn._replace(peer=programs.report([sys.executable, REFERENCE, network.kind, *network.arguments[2:], *work, *limits]))
        except Failed as error:
            of.trouble = str(error)
    if network.interval and (not last or last.sparse):
        try:
            # Its batches are not looked at.
            turn = turn._replace(sparse=traced(network.interval, 1))
        except Failed as error:
            of.trouble = f"{of.trouble}; and " * bool(of.trouble) + f"with checkpoints {error}"
    of.turns[-1] = turn
    of.seconds = time.monotonic() - start


def load(samples):
    """The most power among what nvidia-smi printed for LOAD, and all that held the clock down; None if it printed nothing of the kind."""
    found = []
    for sample in samples:
        with contextlib.suppress(ValueError):
            watts, megahertz, celsius, reasons = sample.split(", ")
            found.append(Load(float(watts), int(megahertz), int(celsius), int(reasons, 16)))
    if not found:
        return None
    reasons = 0
    for sample in found:
        reasons |= sample.reasons
    return max(found)._replace(reasons=reasons)


def compared(printed):
    """Op cases and fewest runs of a model that the gpus test printed to have compared, of the GPU that did fewest."""
    ops, runs = (
        {key: int(count) for count, key in re.findall(pattern, printed)}
        for pattern in (r"compared: (\d+) op cases(?: on (GPU \d+))?", r"compared: (\d+) runs of (\w+ on GPU \d+)")
    )
    return min(ops.values(), default=None), min(runs.values(), default=None)


def errors(ran):
    """Errors that a tool of compute-sanitizer found, by the last line of what it printed; None if the test did not get through."""
    found = re.findall(r"SUMMARY: .*?(\d+) errors?", ran.printed)
    return int(found[-1]) if found and ran.passed() else None


def refuse(arch, cores, compiler):
    """Ends all if the kernels are not those that the GPU is measured for."""
    if int(arch) == 90 and cores != "Group":
        sys.exit(f"error: NVRTC {compiler} is too old for Hopper's kernels; point IONET_NVRTC at 12.4 or later")


def run_tests(programs, program, models, session, write):
    """What the tests compare, each in a process of its own as a fault ends its process."""
    try:
        ran = programs.run([program, "--list"])
    except Failed as error:
        session.troubles.append(f"The tests did not run: {error}.")
        return
    session.listed = [line[: -len(": test")] for line in ran.printed.splitlines() if line.endswith(": test")]
    if ran.code != 0 or not session.listed:
        session.troubles.append(f"The tests could not be listed: {ran.ended()}.")
    for name in session.listed:
        try:
            ran = programs.run([program, "--exact", name, "--nocapture"], IONET_MODELS=str(models))
            trouble = None if ran.passed() else ran.ended()
        except Failed as error:
            ran, trouble = Ran(None, ""), str(error)
        found = re.search(r"found: .*, sm_(\d+), cores (\w+), NVRTC (\S+)$", ran.printed, re.MULTILINE)
        if found:
            refuse(*found.groups())
        elif skipped := re.search(r"skipped: .*$", ran.printed, re.MULTILINE):
            sys.exit(f"error: {skipped[0]}")
        print(f"{'✗' if trouble else '✓'} test {name}", file=sys.stderr)
        session.tests.append(Test(name, *compared(ran.printed), trouble))
        write()


def packages(pattern):
    """What matches a pattern among NVIDIA's Python packages."""
    return [path for folder in sys.path if folder for path in Path(folder).glob(f"nvidia/{pattern}")]


def compute_sanitizer():
    """That on the PATH, of a toolkit of CUDA, or of a Python package."""
    elsewhere = [*TOOLKITS.glob("cuda*/bin/compute-sanitizer"), *packages("*/compute-sanitizer/compute-sanitizer")]
    return shutil.which("compute-sanitizer") or next(iter(elsewhere), None)


def sanitise(programs, tool, program, models, seconds, session, write):
    """Notes what compute-sanitizer's tools find in each test, the most important first; of what is noted, what was ended is tried again."""
    end, found = None if programs.end is None else time.monotonic() + seconds, session.sanitised
    for name in SANITISED:
        for check in TOOLS:
            if (check, name) in found and not found[check, name].ended:
                continue
            command = [tool, "--tool", check, program, "--exact", name, "--nocapture"]
            left = SECONDS if end is None else end - time.monotonic()
            # One that hangs leaves some to the others.
            most = left if end is None else min(left, max(SHARE * left, SANITISED_SECONDS))
            try:
                ran = programs.run(command, most, IONET_MODELS=str(models), CUDA_CASES=SANITISED_CASES)
                count = errors(ran)
                found[check, name] = Found(count, ran.code is None, ran.ended() if count is None else None)
            except Failed as error:
                found[check, name] = Found(None, True, str(error))
            print(f"{'✗' if found[check, name].errors != 0 else '✓'} {check} of {name}", file=sys.stderr)
            write()


def selftest(programs, worker, models, session):
    """Has the worker compare its golden vectors."""
    try:
        programs.last_line([worker, "selftest", "--models", models, "--gpu", 0])
        session.golden = True
    except Failed as error:
        session.golden = False
        session.troubles.append(f"The golden vectors were not all right: {error}.")


def version(library):
    """Major and minor version of an NVRTC, none where it cannot be loaded."""
    major, minor = ctypes.c_int(0), ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(str(library)).nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def nvrtc():
    """The newest NVRTC, of the cache, of Python's packages or of CUDA's toolkits, whose kernels the driver takes, as its major version is no
    newer; without a driver the newest of all."""
    newest = ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(newest))
    cache = Path(os.environ.get("IONET_CACHE") or Path.home() / ".cache/ionet")
    found = [*cache.glob("nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.[0-9]*"), *TOOLKITS.glob("cuda*/lib64/libnvrtc.so.[0-9]*")]
    found += [path for package in ("cu13", "cuda_nvrtc", "cu12") for path in packages(f"{package}/lib/libnvrtc.so.[0-9]*")]
    versions = {path: version(path) for path in found}
    taken = [path for path, (major, _) in versions.items() if major and (not newest.value or major <= newest.value // 1000)]
    return max(taken, key=versions.get, default=None)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True, help="the program engine-bench")
    parser.add_argument("--tests", type=Path, help="the program of the engine's test gpus; without it nothing is compared with the CPU")
    parser.add_argument("--worker", type=Path, help="the program ionet-worker; without it the golden vectors are not compared")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the model packages")
    parser.add_argument("--page", type=Path, default=ROOT / "bench/gpu.md", help="where to write; the log lies beside it")
    parser.add_argument("--rounds", type=int, default=3, help="turns of engine and PyTorch")
    parser.add_argument("--runs", type=int, default=100, help="timed runs of a turn, at least")
    parser.add_argument("--work", default="12,35,5", help="size of the work of a call, as engine-bench takes it: an H200's unless told")
    parser.add_argument("--seconds", type=float, help="end after so many, with what there is by then")
    args = parser.parse_args(arguments)
    log = args.page.with_suffix(".log")
    log.unlink(missing_ok=True)
    programs = Programs(log, args.seconds)
    try:
        query = ["nvidia-smi", "--id=0", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        name, driver = programs.last_line(query, SMI_SECONDS).split(", ")
        machine, trouble = f"{name}, driver {driver}", []
    except (Failed, ValueError) as error:
        # Where it is missing, a GPU may be there all the same.
        machine, trouble = "unknown", [f"The machine's name is not known: {error}."]
    if "IONET_NVRTC" not in programs.environment and (library := nvrtc()):
        programs.environment["IONET_NVRTC"] = str(library)
    peer = importlib.util.find_spec("torch") is not None
    if not peer:
        print("… there is no PyTorch in this Python, so the engine is measured alone", file=sys.stderr)
    engine, models = args.engine.resolve(), args.models.resolve()
    program, worker = (path and path.resolve() for path in (args.tests, args.worker))
    measured = [Measured(network) for network in networks(models)]
    session = Session(machine, datetime.date.today(), args.rounds, args.runs, measured, troubles=trouble)

    def write():
        args.page.write_text(page(session))

    if program:
        run_tests(programs, program, models, session, write)
        write()
    if worker:
        selftest(programs, worker, models, session)
        write()
    # A test that ended before it said what it compared is what compute-sanitizer is for.
    compares = any(test.ops or test.trouble for test in session.tests)
    sanitiser = compute_sanitizer() if compares else None
    if compares and not sanitiser:
        session.troubles.append("compute-sanitizer is neither on the PATH nor in a toolkit of CUDA nor among Python's packages.")
    for turn in range(args.rounds):
        for of in measured:
            if of.ended:
                continue
            if of.seconds > programs.left():
                of.trouble = of.trouble or f"there was no time for turn {turn + 1}"
                continue
            measure(programs, engine, of, args.runs, peer, write)
            print(f"{'✗' if of.trouble else '✓'} {' '.join(of.network.arguments)}: {of.trouble or 'measured'}", file=sys.stderr)
            write()
        if turn > 0:
            continue
        try:
            session.work = programs.report([engine, "--work", args.work, "--gpu", 0, "--output", "json"])
        except Failed as error:
            session.troubles.append(f"The work of a call was not measured: {error}.")
        write()
        # What has ended once takes about as long again, and compute-sanitizer sees to its own.
        programs.share = 1
        if sanitiser:
            sanitise(programs, sanitiser, program, models, SANITISER_SECONDS, session, write)
    if sanitiser:
        sanitise(programs, sanitiser, program, models, programs.left(), session, write)
    write()
    if not any(of.turns for of in measured):
        sys.exit(f"error: nothing could be measured; {args.page} has the reasons, {log} all that was printed")
    print(f"{args.page.read_text()}\nwritten to {args.page}")


if __name__ == "__main__":
    main()
