"""Measures the engine on this machine's GPU, compares it with PyTorch, and writes bench/gpu.md.

    python3 bench/gpu.py --engine target/bin/engine-bench-release --tests target/bin/gpus-release

Needs only Python 3.8, these two programs, the models, NVIDIA's driver, and NVRTC, for example from a Python package. If this Python has
PyTorch, the engine is compared with it. If compute-sanitizer is found, in CUDA or in a Python package, the tests also run under it. `cargo
xtask bench gpu` builds the programs and runs this script.

The most important steps come first: every kernel on a few cases, which must pass, the tests, one turn of every benchmark,
compute-sanitizer, further turns. The page is rewritten after
every step, so that a run that is cut short leaves what it has. Everything that the programs print is in a log next to the page.
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

from gpu_page import CHECKED, INTERVALS, RATIOS, SANITISED, TOOLS, Found, Load, Measured, Network, Session, Test, Turn, page

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "bench/gpu_reference.py"
# The folder with CUDA's toolkits.
TOOLKITS = Path("/usr/local")
# Number of op cases where few must do: in the smoke test, and under compute-sanitizer, which makes everything many times slower.
FEW_CASES = "50"
# The test that runs first, on few cases, and its time limit, which covers compiling the kernels: if they fail, nothing else makes sense.
SMOKE, SMOKE_SECONDS = "every_kernel_of_ops", 45
# The test that fills the GPU's memory, which comes last.
FILLS = "a_gpu_without_memory_refuses_a_model_until_some_is_freed"
# Time limit for each program; and, if there is a limit for the whole run, for all of compute-sanitizer before the second turn.
SECONDS = 600
SANITISER_SECONDS = 150
# Least time limit for a test under compute-sanitizer, where tests start slowly.
SANITISED_SECONDS = 40
# What newer versions of memcheck also report, such as calls of the driver that fail inside other libraries, is left out.
EXPLICIT = {"--report-api-errors": "explicit", "--track-stream-ordered-races": "no"}
# Kernels whose use of Hopper's tensor cores racecheck misunderstood before 2026.1. If it finds errors, it runs again without them.
MISUNDERSTOOD = ["--kernel-name-exclude", "kns=128x256", "--kernel-name-exclude", "kns=256x128"]
# Share of the remaining time that a program may take, so that one that hangs leaves some for the others; and the share of PyTorch's time
# that compiling may take.
SHARE = 1 / 3
COMPILE_SHARE = 3 / 4
# Time limits for nvidia-smi, and for the driver to end a program.
SMI_SECONDS = 20
KILL_SECONDS = 10
# What can be asked for alone, each in its own time: a machine may be lent for ten minutes at a time.
PARTS = ("tests", "bench", "sanitise")
# With this order, the programs number all GPUs as nvidia-smi does.
ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
# What nvidia-smi prints of the GPU's load once a second, as asking more often might delay passes. The second field is the mean over a
# second on some GPUs; others do not have the first. Drivers before 535 do not know all fields; then the output is useless.
LOAD = ["--query-gpu=power.draw.instant,power.draw,clocks.sm,temperature.gpu,clocks_event_reasons.active", "--loop-ms=1000"]
# Names of a GPU that both CUDA and nvidia-smi take: its number, or its whole UUID.
NAMED = r"\d+|GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Memory in MiB that may be in use on an idle GPU. A program that computes holds more.
IDLE_MIB = 256
# Number of timed batches: enough for a p99, and no more, because large batches take long.
BATCHES = 100


def query(*asked):
    """The command that asks nvidia-smi about the GPU that is number 0 for the programs."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    return ["nvidia-smi", f"--id={first if re.fullmatch(NAMED, first) else 0}", "--format=csv,noheader,nounits", *asked]


class Failed(Exception):
    """A program failed. The message names it and quotes its output."""


class Ran(NamedTuple):
    """A finished program: its exit code (None if it was stopped), what it printed, and its time limit in seconds."""

    code: int | None
    printed: str
    seconds: float = 0

    def passed(self):
        """Whether the program is a test that passed."""
        return self.code == 0 and "test result: ok" in self.printed

    def ended(self):
        """How the program ended, and the last line that it printed."""
        how = f"it was stopped after {self.seconds:.0f} s" if self.code is None else f"it exited with code {self.code}"
        lines = self.printed.strip().splitlines()
        return f"{how}; its last output was: {lines[-1]}" if lines else how


class Programs:
    """Runs programs one after the other, with an optional time limit for all of them, and appends their output to a log."""

    def __init__(self, log, seconds=None, warp=False):
        self.log, self.environment, self.share, self.warp = log, {**os.environ, **ORDER}, SHARE, warp
        self.end = None if seconds is None else time.monotonic() + seconds

    def refuse(self, arch, cores, compiler):
        """Exits if the kernels are not those that this GPU should be measured with."""
        if int(arch) == 90 and cores != "Group" and not self.warp:
            sys.exit(f"error: NVRTC {compiler} is too old for Hopper's kernels; point IONET_NVRTC at 12.4 or later, or add --allow-warp")

    def left(self):
        """Seconds left of the time limit."""
        return SECONDS if self.end is None else self.end - time.monotonic()

    def limit(self, most=SECONDS):
        """Time limit for the next program in seconds."""
        return min(most, SECONDS if self.end is None else self.share * self.left())

    def run(self, command, most=SECONDS, **environment):
        """Runs a program until it ends, or kills it and its children at the time limit."""
        seconds = self.limit(most)
        if seconds <= 0:
            raise Failed(f"there was no time left for {Path(command[0]).name}")
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
        """Starts a program with its output in a file."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        try:
            return subprocess.Popen(list(map(str, command)), env={**self.environment, **environment}, start_new_session=True, **streams)
        except OSError as error:
            raise Failed(f"cannot start {command[0]}: {error.strerror}") from error

    @contextlib.contextmanager
    def beside(self, command):
        """Runs a program in the background, if it can be started. Yields a list that at the end holds the lines that it printed."""
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
        """The last JSON line that a program prints, or else its last line. Fails if the program fails."""
        ran = self.run(command, most)
        lines = ran.printed.strip().splitlines()
        if ran.code is None:
            raise Failed(f"{Path(command[0]).name} was stopped after {ran.seconds:.0f} s")
        if ran.code != 0:
            raise Failed(f"{Path(command[0]).name} failed: {lines[-1] if lines else 'it printed nothing'}")
        return next((line for line in reversed(lines) if line.startswith("{")), lines[-1] if lines else "")

    def report(self, command):
        """The JSON report that a benchmark prints."""
        try:
            return json.loads(self.last_line(command))
        except ValueError as error:
            raise Failed(f"{Path(command[0]).name} printed no JSON report") from error


def kill(child):
    """Kills a program and its children, if it is still running. Gives up on a program that the driver keeps from ending."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(KILL_SECONDS)


def networks(models):
    """All networks to measure, most important first."""
    shipped = [(path.parent, json.loads(path.read_text())) for path in sorted(models.glob("*/model.json"))]
    products = [(8192, 4), (4096, 4), (4096, 1)]
    return [
        *(Network(kind, ["--synthetic", kind], interval=interval) for kind, interval in INTERVALS.items()),
        *(Network("gemm", ["--synthetic", "gemm", "--width", str(width)], units) for width, units in products),
        *(Network("model", ["--model", str(folder)], interval=model.get("checkpoint_interval")) for folder, model in shipped),
    ]


def checked(programs, command):
    """A report of engine-bench, which must have compared the GPU's bits with the CPU's."""
    found = programs.report(command)
    if not (found.get("gpu") or {}).get("checked"):
        raise Failed("engine-bench compared nothing with the CPU, so its figures are not used")
    return found


def measure(programs, engine, of, runs, peer, write):
    """Measures one more turn of a network. Whatever has failed before is skipped: the engine, its trace of checkpoints, or PyTorch."""
    network, start = of.network, time.monotonic()
    last = of.turns[-1] if of.turns else None
    # PyTorch, and the engine in further turns, use the number of units that the engine had room for in its first turn.
    units = last.engine["gpu"]["units"] if last else network.units
    fixed = ["--units", units] if units else []

    def traced(interval, batches):
        options = ["--checkpoint-interval", interval, "--gpu", 0, "--runs", runs, "--batches", batches, "--output", "json"]
        return checked(programs, [engine, *network.arguments, *fixed, *options])

    if not last:
        of.trouble = None
    try:
        with programs.beside(query(*LOAD)) as samples:
            ours = traced(1, min(runs, BATCHES))
    except Failed as error:
        of.trouble, of.ended = str(error), True
        return
    programs.refuse(*(ours["kernels"][name] for name in ("arch", "cores", "compiler")))
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
            # The figures of batches are not used.
            turn = turn._replace(sparse=traced(network.interval, 1))
        except Failed as error:
            of.trouble = f"{of.trouble}; and " * bool(of.trouble) + f"with checkpoints, {error}"
    of.turns[-1] = turn
    of.seconds = time.monotonic() - start


def load(samples):
    """The sample with the highest power draw in nvidia-smi's output for LOAD, with the reasons of all samples; None without samples."""
    found = []
    for sample in samples:
        with contextlib.suppress(ValueError):
            instant, mean, megahertz, celsius, reasons = sample.split(", ")
            watts = mean if instant.startswith("[") else instant
            found.append(Load(float(watts), int(megahertz), int(celsius), int(reasons, 16)))
    if not found:
        return None
    reasons = 0
    for sample in found:
        reasons |= sample.reasons
    return max(found)._replace(reasons=reasons)


def compared(printed):
    """The numbers of op cases and of runs of a model that the test gpus reports as compared, for the GPU and model with the fewest."""
    ops, runs = (
        {key: int(count) for count, key in re.findall(pattern, printed)}
        for pattern in (r"compared: (\d+) op cases(?: on (GPU \d+))?", r"compared: (\d+) runs of (\w+ on GPU \d+)")
    )
    return min(ops.values(), default=None), min(runs.values(), default=None)


def errors(ran):
    """The number of errors in the last summary of compute-sanitizer; None if the test did not finish."""
    found = re.findall(r"SUMMARY: .*?(\d+) errors?", ran.printed)
    return int(found[-1]) if found and ran.passed() else None


def smoke(programs, program, models, session, write):
    """Exits if the kernels fail or hang on a few cases."""
    ran = programs.run([program, "--exact", SMOKE, "--nocapture"], SMOKE_SECONDS, IONET_MODELS=str(models), CUDA_CASES=FEW_CASES)
    if not ran.passed():
        session.troubles.append(f"The kernels fail on a few cases, so nothing was measured: {ran.ended()}.")
        write()
        sys.exit(
            f"error: the kernels fail on a few cases ({ran.ended()}); the output is in {programs.log}. If these are Hopper's, kernels for "
            "older tensor cores can be measured with --allow-warp: bench/gpu.md says how."
        )


def kernels(printed):
    """The names of the kernels in compute-sanitizer's reports, for all forms in which it gives places in them."""
    device = "\n".join(line for line in printed.splitlines() if line.startswith("=====") and "Host Frame" not in line)
    found = re.findall(r"(\w+)(?:\([^)]*\))?\+0x[0-9a-f]+|\b0x[0-9a-f]+ in (?:\S+:)?(\w+)", device)
    return tuple(sorted({either or other for either, other in found}))


def run_tests(programs, program, models, session, write):
    """Runs the tests, the most important first, each in its own process, because a fault ends the process."""
    try:
        ran = programs.run([program, "--list"])
    except Failed as error:
        session.troubles.append(f"The tests did not run: {error}.")
        return
    listed = [line[: -len(": test")] for line in ran.printed.splitlines() if line.endswith(": test")]
    first = [name for name in SANITISED if name in listed]
    session.listed = [*first, *sorted({*listed} - {*first}, key=lambda name: (name == FILLS, name))]
    if ran.code != 0 or not session.listed:
        session.troubles.append(f"The tests could not be listed: {ran.ended()}.")
    if SMOKE in session.listed:
        # If no time is left, the tests below say so.
        with contextlib.suppress(Failed):
            smoke(programs, program, models, session, write)
    for name in session.listed:
        try:
            ran = programs.run([program, "--exact", name, "--nocapture"], IONET_MODELS=str(models))
            trouble = None if ran.passed() else ran.ended()
        except Failed as error:
            ran, trouble = Ran(None, ""), str(error)
        found = re.search(r"found: .*, sm_(\d+), cores (\w+), NVRTC (\S+)$", ran.printed, re.MULTILINE)
        if found:
            programs.refuse(*found.groups())
            session.compilers.add(found[3])
            if not session.tests:
                print("… the kernels are those for sm_{}, cores {}, by NVRTC {}".format(*found.groups()), file=sys.stderr)
                if found[3] != CHECKED:
                    print(f"… kernels are checked for spilled registers only if they are by NVRTC {CHECKED}", file=sys.stderr)
        elif skipped := re.search(r"skipped: .*$", ran.printed, re.MULTILINE):
            sys.exit(f"error: {skipped[0]}")
        print(f"{'✗' if trouble else '✓'} test {name}", file=sys.stderr)
        session.tests.append(Test(name, *compared(ran.printed), trouble))
        write()


def packages(pattern):
    """Files in NVIDIA's Python packages that match a pattern."""
    return [path for folder in sys.path if folder for path in Path(folder).glob(f"nvidia/{pattern}")]


def compute_sanitizer():
    """The path of compute-sanitizer: from PATH, from a CUDA toolkit, or from a Python package."""
    elsewhere = [*TOOLKITS.glob("cuda*/bin/compute-sanitizer"), *packages("*/compute-sanitizer/compute-sanitizer")]
    return shutil.which("compute-sanitizer") or next(iter(elsewhere), None)


def sanitise(programs, tool, program, models, seconds, session, write):
    """Runs each test under each tool of compute-sanitizer, most important first. Skips what has been done, except what was stopped."""
    end, found = None if programs.end is None else time.monotonic() + seconds, session.sanitised
    try:
        known = programs.run([tool, "--help"], SMI_SECONDS).printed
    except Failed:
        known = ""
    explicit = [part for option in EXPLICIT.items() if option[0] in known for part in option]

    def run(name, check, options):
        left = SECONDS if end is None else end - time.monotonic()
        # A test that hangs must leave time for the others.
        most = left if end is None else min(left, max(SHARE * left, SANITISED_SECONDS))
        command = [tool, "--tool", check, *options, program, "--exact", name, "--nocapture"]
        return programs.run(command, most, IONET_MODELS=str(models), CUDA_CASES=FEW_CASES)

    for name in SANITISED:
        for check in TOOLS:
            if (check, name) in found and not found[check, name].ended:
                continue
            try:
                ran = run(name, check, explicit if check == "memcheck" else [])
                count = errors(ran)
                found[check, name] = Found(count, ran.code is None, ran.ended() if count is None else None, kernels(ran.printed))
                if check == "racecheck" and count:
                    found[check, name] = found[check, name]._replace(without=errors(run(name, check, MISUNDERSTOOD)))
            except Failed as error:
                found.setdefault((check, name), Found(None, True, str(error)))
            print(f"{'✗' if found[check, name].errors != 0 else '✓'} {check} of {name}", file=sys.stderr)
            write()


def selftest(programs, worker, models, session):
    """Lets the worker check its golden vectors."""
    try:
        programs.last_line([worker, "selftest", "--models", models, "--gpu", 0])
        session.golden = True
    except Failed as error:
        session.golden = False
        session.troubles.append(f"The golden vectors did not all match: {error}.")


def version(library):
    """Major and minor version of an NVRTC library; (0, 0) if it cannot be loaded."""
    major, minor = ctypes.c_int(0), ctypes.c_int(0)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(str(library)).nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def nvrtc():
    """The NVRTC for kernels that are not in the cache: the newest one in the cache, in Python packages or in CUDA toolkits whose major
    version the driver supports; without a driver, the newest of all."""
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
    parser.add_argument("--tests", type=Path, help="the program of the engine's test gpus; without it, nothing is compared with the CPU")
    parser.add_argument("--worker", type=Path, help="the program ionet-worker; without it, the golden vectors are not checked")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the model packages")
    parser.add_argument("--page", type=Path, default=ROOT / "bench/gpu.md", help="page to write; the log is written next to it")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the engine and PyTorch")
    parser.add_argument("--runs", type=int, default=100, help="least number of timed runs per turn")
    parser.add_argument("--work", default="12,35,5", help="size of the work of a call, as for engine-bench; the default is an H200's")
    parser.add_argument("--allow-warp", action="store_true", help="measure Hopper also with kernels for older tensor cores")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to do instead of all; the page has no others")
    parser.add_argument("--seconds", type=float, help="time limit for everything; the page then shows what was measured by then")
    args = parser.parse_args(arguments)
    log = args.page.with_suffix(".log")
    log.unlink(missing_ok=True)
    programs = Programs(log, args.seconds, args.allow_warp)
    try:
        command = query("--query-gpu=name,driver_version,utilization.gpu,memory.used")
        name, driver, busy, memory = programs.last_line(command, SMI_SECONDS).split(", ")
        machine, trouble = f"{name}, driver {driver}", []
        if any(reading.isdecimal() and int(reading) > idle for reading, idle in ((busy, 0), (memory, IDLE_MIB))):
            trouble = [f"Before the start, nvidia-smi showed the GPU busy {busy} % of the time, with {memory} MiB of its memory in use."]
    except (Failed, ValueError) as error:
        # There may be a GPU even if nvidia-smi is missing.
        machine, trouble = "unknown", [f"The name of the GPU is not known: {error}."]
    if "IONET_NVRTC" not in programs.environment and (library := nvrtc()):
        programs.environment["IONET_NVRTC"] = str(library)
    peer = importlib.util.find_spec("torch") is not None
    if not peer:
        print("… this Python has no PyTorch, so the engine is not compared with it", file=sys.stderr)
    engine, models = args.engine.resolve(), args.models.resolve()
    program, worker = (path and path.resolve() for path in (args.tests, args.worker))
    measured = [Measured(network) for network in networks(models)] if "bench" in args.only else []
    if skipped := [part for part in PARTS if part not in args.only]:
        trouble.append(f"Not asked for: {', '.join(skipped)}.")
    session = Session(machine, datetime.date.today(), args.rounds, args.runs, measured, troubles=trouble)

    def write():
        args.page.write_text(page(session))

    if program and "tests" in args.only:
        run_tests(programs, program, models, session, write)
        write()
    if worker and "tests" in args.only:
        selftest(programs, worker, models, session)
        write()
    # A test that failed before it reported anything is a case for compute-sanitizer too.
    compares = any(test.ops or test.trouble for test in session.tests) if "tests" in args.only else program
    compares = compares and "sanitise" in args.only
    sanitiser = compute_sanitizer() if compares else None
    if compares and not sanitiser:
        session.troubles.append("compute-sanitizer was not found on the PATH, in a CUDA toolkit or in a Python package.")
    for turn in range(args.rounds if measured else 0):
        for of in measured:
            if of.ended:
                continue
            if of.seconds > programs.left():
                of.trouble = of.trouble or f"there was no time left for turn {turn + 1}"
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
        # Whatever has finished once will take about as long again, and compute-sanitizer has its own limits.
        programs.share = 1
        if sanitiser:
            sanitise(programs, sanitiser, program, models, SANITISER_SECONDS, session, write)
    if sanitiser:
        programs.share = 1
        sanitise(programs, sanitiser, program, models, programs.left(), session, write)
    write()
    if measured and not any(of.turns for of in measured):
        sys.exit(f"error: nothing could be measured; the reasons are in {args.page}, and the programs' output is in {log}")
    print(f"{args.page.read_text()}\nwritten to {args.page}")


if __name__ == "__main__":
    main()
