"""Tests of `gpu.py` and its helpers: python3 -m unittest test_gpu"""

from __future__ import annotations

import ast
import contextlib
import datetime
import io
import itertools
import json
import os
import select
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import cublaslt
import gpu
import gpu_page

# The output of the engine's tests, one after the other.
TESTED = """\
found: GPU 0 (NVIDIA A), sm_90, cores Group, NVRTC 13.0
compared: 500 op cases on GPU 0 (NVIDIA A), of 100 graphs
compared: 10012 op cases on GPU 0 (NVIDIA A), of 1700 graphs
compared: 10020 op cases on GPU 1 (NVIDIA A), of 1701 graphs
test random_graphs ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out; finished in 9.00s
compared: 1003 runs of imagine on GPU 0 (NVIDIA A)
compared: 1100 runs of upscale on GPU 0 (NVIDIA A)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out; finished in 9.00s
"""

KERNELS = {"arch": 90, "cores": "Group", "compiler": "13.0"}


def turn(name, pass_ms, p99=1.1, hashing=5.0, sparse=0.5, peer_ms=None, load=None, batch_p99=2.0):
    """Reports in which a pass takes `pass_ms` milliseconds."""
    figures = {
        "name": "NVIDIA A", "checked": 2, "units": 4, "memory_mib": 100.0, "pass_p50_ms": pass_ms, "pass_p95_ms": pass_ms,
        "pass_p99_ms": p99 * pass_ms, "units_per_second": 4000 / pass_ms, "tera_ops_per_second": 1.0, "batch_p50_ms": 2 * pass_ms,
        "batch_p95_ms": 2 * pass_ms, "batch_p99_ms": batch_p99 and batch_p99 * pass_ms,
    }
    peer = peer_ms and {
        "torch": "2.0", "how": "compiled", "units_per_second": 4000 / peer_ms, "macs_per_unit": 10**9, "median_ms": 1.5 * peer_ms,
        "p99_ms": 2 * peer_ms,
    }
    of = lambda checkpoints, added: {
        "model": name, "unit_ms": pass_ms, "macs_per_unit": 10**9, "checkpoints": checkpoints, "checkpoint_bytes": checkpoints << 20,
        "kernels": KERNELS, "gpu": {**figures, "trace_overhead_percent": added},
    }
    return gpu.Turn(of(9, hashing), sparse and of(2, sparse), peer, load)


def measured():
    """Measurements of every kind of network, one of them with several turns, of which the median counts."""
    kinds = {network.kind: network for network in gpu.networks(Path())}
    return [
        gpu.Measured(gpu.Network("model", ["--model", "upscale"]), [turn("upscale", 1.0, hashing=50.0, sparse=20.0)], None),
        gpu.Measured(kinds["gemm"], [turn("gemm 4096", ms, sparse=None, peer_ms=0.8) for ms in (0.5, 1.0, 4.0)], None),
        gpu.Measured(kinds["gemm"], [turn("gemm 8192", 2.0, hashing=11.0, sparse=None, peer_ms=2.0)], None),
        gpu.Measured(kinds["unet"], [turn("unet", 2.0, sparse=1.2, peer_ms=1.9)], None),
        gpu.Measured(kinds["transformer"], [turn("transformer", 1.0, p99=1.3, peer_ms=1.0)], None),
    ]


CLEAN = {(tool, name): gpu.Found(0) for tool in gpu.TOOLS for name in gpu.SANITISED}


def session(measured, tests=(), listed=None, **others):
    """A session with these tests. By default they are also the list of all tests."""
    listed = [test.name for test in tests] if listed is None else listed
    return gpu.Session("NVIDIA A, driver 1", datetime.date(2026, 1, 2), 3, 5, measured, listed, list(tests), **others)


def verdicts(*arguments, **others):
    lines = gpu_page.asked(session(*arguments, **others))
    return {line.what.split(",")[0].split(" relative")[0]: (line.figure, line.holds) for line in lines}


def reference():
    """The module that times PyTorch, with a mock in PyTorch's place."""
    torch = mock.MagicMock()
    parts = {"torch": torch, "torch.nn": torch.nn, "torch.utils._python_dispatch": types.SimpleNamespace(TorchDispatchMode=object)}
    torch.nn.Module = object
    with mock.patch.dict(sys.modules, parts):
        sys.modules.pop("gpu_reference", None)
        import gpu_reference
    return gpu_reference


# Makes a program hang: it stops itself.
HANG = "kill -STOP $$"


class Clock:
    """A fake clock: a program takes one second, and one that hangs takes all the time it is given, however slow the machine."""

    now = 0

    def monotonic(self):
        return self.now

    def wait(self, child, timeout=None):
        """Stands in for Popen.wait."""
        if child.returncode is None:
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                self.now += timeout
                raise gpu.subprocess.TimeoutExpired(child.args, timeout)
            ended = os.WIFEXITED(status)
            child.returncode = os.WEXITSTATUS(status) if ended else -os.WTERMSIG(status)
            self.now += ended
        return child.returncode


class Folder(unittest.TestCase):
    """A test with a folder for fake programs and a fake clock."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.contexts = contextlib.ExitStack()
        self.addCleanup(self.contexts.close)
        self.clock = Clock()
        self.contexts.enter_context(mock.patch.object(gpu, "time", self.clock))
        wait = lambda child, timeout=None: self.clock.wait(child, timeout)
        self.contexts.enter_context(mock.patch.object(gpu.subprocess.Popen, "wait", wait))
        self.programs = gpu.Programs(self.folder / "log")
        # Look for CUDA toolkits only in the test's folder, and hide progress messages.
        self.contexts.enter_context(mock.patch.object(gpu, "TOOLKITS", self.folder))
        self.contexts.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def program(self, name, script):
        """A fake program. It is a shell script, because that starts fast."""
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program


class Reading(unittest.TestCase):
    def test_the_least_that_a_gpu_or_a_model_was_compared_for_counts(self):
        self.assertEqual(gpu.compared(TESTED), (10012, 1003))
        self.assertEqual(gpu.compared("test result: ok. 4 passed"), (None, None))

    def test_errors_of_each_tool(self):
        ran = lambda summary, code=0: gpu.Ran(code, f"{TESTED}========= {summary}\n")
        self.assertEqual(gpu.errors(ran("ERROR SUMMARY: 3 errors")), 3)
        self.assertEqual(gpu.errors(ran("RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)")), 1)
        self.assertIsNone(gpu.errors(ran("Device not supported")))
        self.assertIsNone(gpu.errors(ran("ERROR SUMMARY: 0 errors", code=101)), "the test did not finish")

    def test_no_python_since_3_8_is_too_old(self):
        for module in (gpu, gpu_page, cublaslt):
            source = Path(module.__file__).read_text()
            ast.parse(source, feature_version=(3, 8))
            # Then annotations such as `int | None` are not evaluated.
            self.assertTrue("|" not in source or hasattr(module, "annotations"), module)

    def test_the_load_is_that_of_the_most_power_and_all_that_held_the_clock_down(self):
        samples = ["90.5, 700, 1980, 31, 0x0000000000000001", "690.1, 500, 1755, 61, 0x0000000000000004", "Field x is no field"]
        samples += ["[N/A], [N/A], 1, 1, 0x2", "70, 60, 345, 60, 0x20"]
        self.assertEqual(gpu.load(samples), gpu.Load(690.1, 1755, 61, 0x25))
        self.assertEqual(gpu.load(["[N/A], 70.5, 345, 60, 0x20"]), gpu.Load(70.5, 345, 60, 0x20), "a GPU without the first field")
        self.assertIsNone(gpu.load(samples[2:4]), "no field is one")


class Reference(unittest.TestCase):
    """Tests of the module that times PyTorch."""

    def test_passes_that_a_rate_is_of_are_waited_for_together_and_fill_its_time(self):
        done, found = [], reference()
        clock = itertools.count()
        found.torch.cuda.synchronize = lambda: done.append("wait")
        # The fake clock advances by a second whenever it is read, which is at the start and after every wait.
        with mock.patch.object(found.time, "perf_counter", lambda: next(clock)):
            with mock.patch.multiple(found, WARM_SECONDS=2, RATE_SECONDS=3):
                times, rate = found.measure(lambda: done.append("run"), "cuda", 20)
        together = lambda count: [*["run"] * count, "wait"]
        self.assertEqual(done, [*together(2) * 2, *together(20) * 3, *together(1) * 20])
        self.assertEqual((times, rate), ([1000] * 20, 20))
        self.assertEqual((found.WARM_SECONDS, found.RATE_SECONDS), (0.2, 0.5), "as long as the engine's turns")

    def test_compiling_ends_in_time_although_the_compiler_goes_on_after_what_it_takes_for_an_error(self):
        compiled, found = [], reference()

        def compiling(x):
            for _ in range(100):
                with contextlib.suppress(Exception):
                    select.select([], [], [], 0.1)
            compiled.append(x)

        found.torch.compile.return_value = compiling
        _, how = found.fastest_form(mock.Mock(), "x", "cuda", 0.1)
        self.assertEqual((how, compiled), ("CUDA graph, not compiled (OutOfTime)", []))

    def test_of_the_algorithms_that_give_the_sums_the_fastest_is_taken(self):
        found, rates = reference(), {"slow": 1.0, "fast": 3.0, "wrong": 9.0}

        class Product:
            candidates = ["slow", "broken", "fast", "wrong"]

            def __init__(self, library, rows, columns, terms):
                self.sizes = rows, columns, terms

            def run(self, candidate, *tensors):
                self.latest = candidate
                if candidate == "broken":
                    raise RuntimeError("cublasLtMatmul gave 15")

        x = mock.MagicMock(shape=(4, 5))
        found.torch.equal = lambda sums, expected: products[0].latest != "wrong"
        products = []
        make = lambda *arguments: products.append(Product(*arguments)) or products[-1]
        timed = []
        rate = lambda run, device, runs, least: timed.append((run.args[0], least)) or rates[run.args[0]]
        with mock.patch.object(found.cublaslt, "Product", make), mock.patch.object(found, "rate", rate):
            x.__len__.return_value = 8
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(found.tuned_product(None, x, x, x, "cuda").args[0], "fast")
            self.assertEqual(timed, [("slow", 0.1), ("slow", 0.05), ("fast", 0.05)], "once to warm up")
            self.assertEqual(products[0].sizes, (8, 8, 5))
            Product.candidates = ["wrong"]
            products.clear()
            with mock.patch.object(found.cublaslt, "loaded"):
                _, how = found.fastest_product(x, x, x, "cuda")
        self.assertEqual(how, "torch._int_mm with its default algorithm: none of the 1 algorithms gives the right sums")

    def test_a_product_is_told_to_cublaslt_column_after_column(self):
        calls = []

        class Function:
            def __init__(self, name):
                self.name = name

            def __call__(self, *arguments):
                assert len(arguments) == len(self.argtypes), self.name
                calls.append((self.name, *(getattr(value, "value", value) for value in arguments)))
                if self.name == "cublasLtMatmulAlgoGetHeuristic":
                    arguments[8][1].state = 15
                    arguments[9]._obj.value = 3
                return 0

        class Library(dict):
            def __getattr__(self, name):
                return self.setdefault(name, Function(name))

        product = cublaslt.Product(Library(), 200, 48, 96)
        layouts = [call[2:] for call in calls if call[0] == "cublasLtMatrixLayoutCreate"]
        self.assertEqual(layouts, [(3, 96, 48, 96), (3, 96, 200, 96), (10, 48, 200, 48)])
        self.assertEqual(len(product.candidates), 2, "one does not do")
        self.assertEqual(cublaslt.ctypes.sizeof(cublaslt.Candidate), 96)
        tensors = [mock.Mock(data_ptr=mock.Mock(return_value=at)) for at in (1, 2, 3, 4)]
        product.run(product.candidates[0], *tensors)
        self.assertEqual([calls[-1][at] for at in (4, 6, 9, 11, 14, 15)], [2, 1, 3, 3, 4, 32 << 20])


class Page(unittest.TestCase):
    def test_every_limit_is_applied_to_the_worst(self):
        tests = [gpu.Test("graphs", ops=10_012), gpu.Test("a", runs=1_003), gpu.Test("b", runs=999), gpu.Test("c")]
        found = verdicts(measured(), tests, sanitised=CLEAN, golden=True)
        self.assertEqual(found["random op cases compared with the CPU"], ("10,012", True))
        self.assertEqual(found["runs of each shipped model compared"], ("999", False))
        self.assertEqual(found["tests that failed"], ("0 (4 of 4 tests)", True))
        self.assertEqual(found["golden vectors of each shipped model"], ("passed", True))
        self.assertEqual(found["int8 GEMM"], ("0.80×", True))
        self.assertEqual(found["U-Net"], ("0.95×", False))
        self.assertEqual(found["transformer block"], ("1.00×", True))
        # 11 % more time is 9.9 % less throughput. A shipped model's higher cost is on the page, but has no limit.
        self.assertEqual(found["throughput lost to hashing every op of large networks"], ("9.9 % (gemm 8192 × 4)", True))
        self.assertEqual(found["throughput lost to hashing checkpoints of large networks"], ("1.2 % (unet × 4)", False))
        self.assertEqual(found["errors found by compute-sanitizer's memcheck"], ("0 (3 of 3 tests)", True))
        self.assertEqual(found["p99/p50 of passes"], ("1.30 (transformer × 4)", False))
        self.assertEqual(found["p99/p50 of batches"], ("1.00 (upscale × 4)", True))

    def test_what_was_not_measured_does_not_hold(self):
        alone = measured()
        for of in alone:
            of.turns = [turn._replace(peer=None) for turn in of.turns]
        alone[0] = gpu.Measured(alone[0].network, trouble="engine-bench failed: it is lost")
        found = verdicts(alone)
        self.assertEqual(
            {name for name, (_, holds) in found.items() if holds is not None},
            {
                "p99/p50 of passes", "throughput lost to hashing every op of large networks",
                "throughput lost to hashing checkpoints of large networks",
            },
        )
        self.assertEqual(found["U-Net"], (None, None))
        page = gpu.page(session(alone))
        self.assertIn("--model upscale was not measured completely (turns: 0): engine-bench failed: it is lost.", page)
        self.assertIn("there is no comparison", page)
        self.assertNotIn("Comparison with PyTorch", page)

    def test_what_a_failed_test_compared_does_not_hold(self):
        tests = [gpu.Test("graphs", ops=10_012, trouble="it exited with code 101"), gpu.Test("models", runs=1_000)]
        found = verdicts(measured(), tests)
        self.assertEqual(found["random op cases compared with the CPU"], ("10,012", False))
        # The test that failed may be another model's.
        self.assertEqual(found["runs of each shipped model compared"], ("1,000", None))
        self.assertEqual(found["tests that failed"], ("1 (2 of 2 tests)", False))
        page = gpu.page(session(measured(), tests))
        self.assertIn("The test graphs failed: it exited with code 101.\n\nTests that passed: models.", page)
        some = verdicts(measured(), tests[1:], ["graphs", "models"])
        self.assertEqual(some["runs of each shipped model compared"], ("1,000", None))
        self.assertEqual(some["tests that failed"], ("0 (1 of 2 tests)", None))

    def test_of_each_tool_counts_what_it_got_through(self):
        (memcheck, racecheck, synccheck), (first, *_) = gpu.TOOLS, gpu.SANITISED
        hung = gpu.Found(None, True, "it was stopped after 25 s; its last output was: no device")
        sanitised = {**CLEAN, (memcheck, first): hung, (racecheck, first): gpu.Found(2), (synccheck, first): gpu.Found(0)}
        found = verdicts(measured(), sanitised=sanitised)
        lines = [found[f"errors found by compute-sanitizer's {tool}"] for tool in gpu.TOOLS]
        self.assertEqual(lines, [("0 (2 of 3 tests)", None), ("2 (3 of 3 tests)", False), ("0 (3 of 3 tests)", True)])
        page = gpu.page(session(measured(), sanitised=sanitised))
        self.assertIn(f"compute-sanitizer did not finish {first} with {memcheck}: {hung.trouble}.", page)
        self.assertEqual(verdicts(measured())[f"errors found by compute-sanitizer's {memcheck}"], (None, None))

    def test_another_network_of_pytorchs_is_told_and_no_comparison(self):
        other = measured()
        peer = {**other[4].turns[0].peer, "macs_as_the_engine": False, "macs_per_unit": 9}
        other[4].turns[0] = other[4].turns[0]._replace(peer=peer)
        found = verdicts(other)
        self.assertEqual((found["transformer block"], found["U-Net"][1]), (("1.00×", None), False))
        page = gpu.page(session(other))
        self.assertIn("A unit of transformer × 4 has 1000000000 multiply-accumulates, but PyTorch's has 9: they are not the same", page)

    def test_a_product_of_pytorchs_that_is_slower_at_int8_than_at_bf16_is_no_comparison(self):
        for rate, holds in ((1999.0, True), (2001.0, None)):
            slow = measured()
            slow[2].turns[0] = slow[2].turns[0]._replace(peer={**slow[2].turns[0].peer, "bf16_units_per_second": rate})
            self.assertEqual(verdicts(slow)["int8 GEMM"], ("0.80×", holds))
            told = "PyTorch runs gemm 8192 × 4 with 2000.0 units/s at int8, but 2001.0 at bf16"
            self.assertEqual(told in gpu.page(session(slow)), holds is None)

    def test_a_network_that_pytorch_did_not_compile_is_marked(self):
        some = measured()
        how = "CUDA graph, not compiled (OutOfTime)"
        some[3].turns[0] = some[3].turns[0]._replace(peer={**some[3].turns[0].peer, "how": how})
        found = verdicts(some)
        self.assertEqual([found[name][0] for name in ("U-Net", "transformer block")], [f"0.95× ({how})", "1.00×"])

    def test_a_product_of_pytorchs_with_its_default_algorithm_is_no_comparison(self):
        some = measured()
        how = "torch._int_mm with its default algorithm: PyTorch has loaded no cuBLASLt"
        some[2].turns[0] = some[2].turns[0]._replace(peer={**some[2].turns[0].peer, "how": how})
        self.assertEqual(verdicts(some)["int8 GEMM"], ("0.80×", None))
        self.assertIn(f"PyTorch runs gemm 8192 × 4 as {how}. That need not be its fastest", gpu.page(session(some)))

    def test_turns_without_checkpoints_leave_the_line_about_them_to_the_others(self):
        some = measured()
        some[3].turns.append(some[3].turns[0]._replace(sparse=None))
        self.assertEqual(verdicts(some)["throughput lost to hashing checkpoints of large networks"], ("1.2 % (unet × 4)", False))
        some[3].turns = some[3].turns[1:]
        self.assertEqual(verdicts(some)["throughput lost to hashing checkpoints of large networks"], ("0.5 % (transformer × 4)", None))
        self.assertIn("| +5.0 % | – |", gpu.page(session(some)))

    def test_a_tail_of_too_few_is_not_judged(self):
        few = measured()
        few[4].turns = [turn("transformer", 1.0, batch_p99=None)]
        self.assertEqual(verdicts(few)["p99/p50 of batches"], ("1.00 (upscale × 4)", None))
        self.assertIn("| 2.000 ms | – | 1.000 ms | 100 MiB |", gpu.page(session(few)))

    def test_checkpoints_of_the_unet_hash_no_fewer_bytes_than_the_ends_of_its_blocks(self):
        # KiB of each op's output, and the numbers of the residual blocks' last ops.
        kib, ends = [], []

        def ops(*outputs):
            kib.extend(outputs)

        def residual(output):
            ops(*[output] * 4)
            ends.append(len(kib) - 1)

        ops(1280)
        residual(1280)
        ops(640)
        residual(640)
        ops(320)
        residual(320)
        residual(320)
        ops(1280, 1920, 640)
        residual(640)
        ops(2560, 3840, 1280)
        residual(1280)
        ops(16)
        last = len(kib) - 1
        hashed = lambda chosen: sum(kib[op] for op in {*chosen, last}) / 1024
        checkpoints = range(gpu.INTERVALS["unet"] - 1, len(kib), gpu.INTERVALS["unet"])
        self.assertEqual((len(kib), f"{hashed(range(len(kib))):.2f}"), (34, "30.95"), "as bench/traces.md has it")
        self.assertGreaterEqual(hashed(checkpoints), hashed(ends))
        said = f"{hashed(checkpoints):.2f} MiB per unit, where the ends of its blocks have {hashed(ends):.2f} MiB"
        self.assertIn(said, gpu.page(session(measured())))

    def test_tables_have_the_same_columns_in_every_row(self):
        loaded = measured()
        loads = gpu.Load(600.4, 1980, 50, 1), gpu.Load(690.0, 1755, 61, 0x24)
        loaded[3].turns = [turn("unet", 2.0, sparse=1.2, peer_ms=1.9, load=load) for load in loads]
        page = gpu.page(session(loaded, [gpu.Test("a", 1, 1)], sanitised=CLEAN))
        self.assertIn("on 2026-01-02. Machine: NVIDIA A, driver 1; kernels for sm_90, cores Group, by NVRTC 13.0. PyTorch 2.0.", page)
        unet = ["2.000 ms", "2.000 ms", "2.200 ms", "2000.0", "1.0", "+5.0 %", "+1.2 % (2 of 9, 2.00 MiB)"]
        self.assertIn(f"| unet × 4 | {' | '.join(unet)} | 4.000 ms | 4.000 ms | 2.000 ms | 100 MiB |", page)
        # With 10^9 multiply-accumulates per unit, 5,000 units are 10^13 operations.
        self.assertIn("| gemm 4096 × 4 | compiled | 4000.0 | 1.0 | 5000.0 | 10.0 | 1.200 ms | 1.600 ms | 0.80× (0.20 to 1.60) |", page)
        self.assertIn("| unet × 4 | 690 W | 1755 MHz | 61 °C | power limit; heat |", page)
        for table in page.split("\n\n"):
            rows = [row for row in table.splitlines() if row.startswith("|")]
            self.assertLessEqual(len({row.count("|") for row in rows}), 1, table)

    def test_kernels_by_a_compiler_that_nothing_checks_are_told(self):
        told = "Kernels are by NVRTC 13.0; `workers/engine/tests/kernels.rs` checks only those by 12.9 for spilled registers."
        self.assertIn(told, gpu.page(session(measured())))
        self.assertIn(told, gpu.page(session([], compilers={"13.0", "12.9"})))
        self.assertNotIn("Kernels are by", gpu.page(session([], compilers={"12.9"})))
        installed = (gpu.ROOT / "xtask/python/nvrtc.txt").read_text()
        self.assertTrue(installed.startswith(f"nvidia-cuda-nvrtc-cu12=={gpu.CHECKED}."), installed)

    def test_what_a_program_said_stays_in_its_cell(self):
        self.assertEqual(gpu_page.row("gemm", "failed:\n a | b"), "| gemm | failed: a \\| b |")

    def test_the_page_of_this_checkout_has_the_commands(self):
        self.assertIn(gpu_page.COMMANDS, (gpu.ROOT / "bench/gpu.md").read_text())


class Turns(Folder):
    KERNELS = f'"kernels": {json.dumps(KERNELS)}'
    # Reports the arguments that it got.
    ECHO = f"""
        told=$(printf '"%s",' "$@")
        echo '{{"told": ['"${{told%,}}"'], "macs_per_unit": 1, {KERNELS}, "gpu": {{"units": 32, "checked": 2}}}}'"""

    def measured(self, script, network, rounds=1, peer=False):
        """Measures a network with a fake engine that runs `script`."""
        of = gpu.Measured(network)
        for _ in range(rounds):
            if not of.ended:
                gpu.measure(self.programs, self.program("engine", script), of, 150, peer, lambda: None)
        return of

    def test_the_networks_with_targets_come_first(self):
        (self.folder / "model").mkdir()
        (self.folder / "model" / "model.json").write_text("{}")
        order = [(network.kind, network.units) for network in gpu.networks(self.folder)]
        self.assertEqual(order, [("unet", None), ("transformer", None), ("gemm", 4), ("gemm", 4), ("gemm", 1), ("model", None)])

    def test_every_turn_does_the_units_of_the_first(self):
        value = lambda report, option: report["told"][report["told"].index(option) + 1] if option in report["told"] else None
        told = lambda of, option: [value(turn.engine, option) for turn in of.turns]
        model = self.measured(self.ECHO, gpu.Network("model", ["--model", "m"]), 3)
        self.assertIsNone(model.trouble)
        self.assertEqual(told(model, "--units"), [None, "32", "32"])
        self.assertEqual([turn.sparse for turn in model.turns], [None] * 3)
        gemm = self.measured(self.ECHO, gpu.Network("gemm", ["--synthetic", "gemm"], 4), 3)
        self.assertEqual(told(gemm, "--units"), ["4", "32", "32"])
        self.assertEqual((told(gemm, "--runs"), told(gemm, "--batches")), (["150"] * 3, ["100"] * 3))
        unet = self.measured(self.ECHO, gpu.Network("unet", ["--synthetic", "unet"], interval=5)).turns[0]
        both = lambda option: [value(report, option) for report in (unet.engine, unet.sparse)]
        self.assertEqual((both("--checkpoint-interval"), both("--batches")), (["1", "5"], ["100", "1"]))

    def test_a_failure_is_told_and_not_tried_again(self):
        calls = self.folder / "calls"
        of = self.measured(f"echo >> {calls}; echo 'error: no such GPU' >&2; exit 1", gpu.Network("unet", []), 3, True)
        self.assertEqual((of.turns, of.trouble), ([], "engine failed: error: no such GPU"))
        self.assertEqual(calls.read_text(), "\n")

    def test_what_fails_with_checkpoints_leaves_the_rest_and_pytorch(self):
        script = f"""
            case "$*" in *"interval 12 "*) echo 12 >> {self.folder}/calls; echo "error: it is lost" >&2; exit 1; esac
            echo 1 >> {self.folder}/calls\n{self.ECHO}"""
        peer = self.folder / "reference.py"
        peer.write_text("import json, sys; print(json.dumps({'told': sys.argv}))")
        with mock.patch.object(gpu, "REFERENCE", peer):
            of = self.measured(script, gpu.Network("transformer", [], interval=12), 2, True)
        self.assertEqual((of.trouble, of.ended), ("with checkpoints, engine failed: error: it is lost", False))
        self.assertEqual([(bool(turn.engine), turn.sparse, bool(turn.peer)) for turn in of.turns], [(True, None, True)] * 2)
        self.assertEqual((self.folder / "calls").read_text().split(), ["1", "12", "1"], "what fails is not tried again")
        # Compiling gets a part of the program's time limit. The rest is for the fallback that runs if compiling takes too long.
        told = of.turns[0].peer["told"]
        self.assertEqual(told[told.index("--compile-seconds") + 1], f"{gpu.SECONDS * 3 / 4:.1f}")
        self.programs.end = self.clock.now + 60
        with mock.patch.object(gpu, "REFERENCE", peer):
            told = self.measured(script, gpu.Network("transformer", []), 1, True).turns[0].peer["told"]
        self.assertLessEqual(float(told[told.index("--compile-seconds") + 1]), 15)

    def test_what_was_not_compared_with_the_cpu_is_no_figure(self):
        for report in ('{"gpu": {"units": 2}}', '{"gpu": {"units": 2, "checked": 0}}', '{"gpu": null}'):
            of = self.measured(f"echo '{report}'", gpu.Network("gemm", []))
            self.assertEqual(of.turns, [])
            self.assertIn("compared nothing", of.trouble)

    def test_without_pytorch_the_engine_goes_on(self):
        with mock.patch.object(gpu, "REFERENCE", self.folder / "nothing.py"):
            of = self.measured(self.ECHO, gpu.Network("transformer", ["--synthetic", "transformer"]), 2, True)
        self.assertEqual([turn.peer for turn in of.turns], [None, None])
        self.assertTrue(of.trouble.startswith("python") and "failed" in of.trouble, of.trouble)

    def test_a_program_that_the_driver_does_not_let_go_of_is_left_alone(self):
        # The program runs in another session, where the signal does not reach it.
        child = mock.Mock(pid=0, poll=lambda: None, wait=mock.Mock(side_effect=gpu.subprocess.TimeoutExpired("engine", 10)))
        with mock.patch.object(gpu.os, "killpg") as killed:
            gpu.kill(child)
        killed.assert_called_once()
        child.wait.assert_called_once_with(gpu.KILL_SECONDS)


class Tested(Folder):
    def outcome(self, names, script, seconds=None):
        """Runs fake tests. They run `script`, with the test's name in $2."""
        listed = "".join(f"echo '{name}: test'; " for name in names)
        return self.ran(self.program("tests", f'if [ "$1" = --list ]; then {listed} exit; fi\n{script}'), seconds)

    def ran(self, program, seconds=None):
        found, self.written = session([]), []
        write = lambda: self.written.append(len(found.tests))
        gpu.run_tests(gpu.Programs(self.folder / "log", seconds), program, self.folder, found, write)
        return found

    def test_each_runs_by_itself_and_the_rest_goes_on(self):
        script = """
            echo "found: GPU 0 (A), sm_80, cores Warp, NVRTC 12.9"
            case $2 in
                first) echo "compared: 7 op cases on GPU 0 (A), of 1 graphs"; kill -9 $$;;
                second) echo "compared: 9 runs of imagine on GPU 0 (A)"; echo "test result: ok. 1 passed; 0 failed";;
                third) echo "test result: FAILED. 0 passed; 1 failed"; exit 101;;
            esac"""
        found = self.outcome(["first", "second", "third"], script)
        first = gpu.Test("first", 7, None, "it exited with code -9; its last output was: compared: 7 op cases on GPU 0 (A), of 1 graphs")
        third = gpu.Test("third", trouble="it exited with code 101; its last output was: test result: FAILED. 0 passed; 1 failed")
        self.assertEqual(found.tests, [first, gpu.Test("second", runs=9), third])
        self.assertEqual((found.listed, found.troubles, self.written), (["first", "second", "third"], [], [1, 2, 3]))
        self.assertEqual(found.compilers, {"12.9"})

    def test_the_most_important_come_first_and_the_one_that_fills_the_memory_last(self):
        names = [gpu.FILLS, "every_kernel_of_ops", "every_kernel_of_work", "random_graphs", "the_image_generator", "the_upscaler"]
        found = self.outcome(names, f"echo $2 $CUDA_CASES >> {self.folder}/calls; echo 'test result: ok'")
        order = ["random_graphs", "every_kernel_of_ops", "every_kernel_of_work", "the_image_generator", "the_upscaler", gpu.FILLS]
        self.assertEqual([test.name for test in found.tests], order)
        self.assertEqual((self.folder / "calls").read_text().splitlines(), ["every_kernel_of_ops 50", *order])
        for name in [gpu.SMOKE, gpu.FILLS, *gpu.SANITISED]:
            self.assertIn(f"\nfn {name}() {{", (gpu.ROOT / "workers/engine/tests/gpus.rs").read_text())

    def test_kernels_that_fail_or_hang_on_a_few_cases_end_everything(self):
        for end, how in (("exit 101", "exited with code 101"), (HANG, "was stopped after 45 s")):
            script = f"echo $2 >> {self.folder}/calls; if [ $2 = {gpu.SMOKE} ]; then echo 'differs'; {end}; fi; echo 'test result: ok'"
            with self.assertRaisesRegex(SystemExit, f"fail on a few cases .it {how}; .*: differs.*--allow-warp"):
                self.outcome(["random_graphs", gpu.SMOKE], script)
        self.assertEqual((self.folder / "calls").read_text().split(), [gpu.SMOKE] * 2)
        self.assertEqual(self.written, [0], "the page says so")

    def test_of_one_that_hangs_counts_what_it_printed(self):
        # The program's child holds one end of a pipe, which closes when the child ends.
        os.mkfifo(self.folder / "pipe")
        end = os.open(self.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, end)
        found = self.outcome(["first"], f"echo 'compared: 5 op cases'; ({HANG}; sleep 600) > {self.folder}/pipe; exit", seconds=91)
        ended = select.poll()
        ended.register(end, 0)
        self.assertEqual(ended.poll(60_000), [(end, select.POLLHUP)])
        self.assertEqual(found.tests, [gpu.Test("first", 5, None, "it was stopped after 30 s; its last output was: compared: 5 op cases")])
        self.assertIn("--exact first --nocapture\ncompared: 5 op cases\n", (self.folder / "log").read_text())

    def test_nothing_is_measured_where_no_gpu_is_tested(self):
        with self.assertRaisesRegex(SystemExit, "no NVRTC"):
            self.outcome(["first"], "echo 'test first ... skipped: no bits of a GPU are compared; no NVRTC'; echo 'test result: ok'")
        with self.assertRaisesRegex(SystemExit, "NVRTC 12.3 is too old"):
            self.outcome(["first"], "echo 'test first ... found: GPU 0 (A), sm_90, cores Warp, NVRTC 12.3'; echo 'test result: ok'")
        # Unless someone wants it, because Hopper's kernels fail.
        gpu.Programs(self.folder / "log", warp=True).refuse("90", "Warp", "12.3")

    def test_tests_that_cannot_be_started_are_told(self):
        missing = self.folder / "nothing"
        self.assertEqual(self.ran(missing).troubles, [f"The tests did not run: cannot start {missing}: No such file or directory."])
        old = self.program("old", "echo 'old: version `GLIBC_2.39` not found' >&2; exit 1")
        told = "The tests could not be listed: it exited with code 1; its last output was: old: version `GLIBC_2.39` not found."
        self.assertEqual(self.ran(old).troubles, [told])


class Sanitised(Folder):
    # memcheck hangs in random_graphs the first time, and another test fails under it. The others pass without errors.
    SCRIPT = """
        [ $1 = --tool ] || exit
        echo "$2 $5" >> {folder}/calls
        case "$2 $5" in
            "memcheck random_graphs") if [ $(grep -c "$2 $5" {folder}/calls) = 1 ]; then {hang}; fi;;
            "memcheck every_kernel_of_ops") echo "test result: FAILED"; echo "========= ERROR SUMMARY: 3 errors"; exit 1;;
        esac
        echo "test result: ok. 1 passed"
        echo "========= ERROR SUMMARY: 0 errors"
    """

    def test_one_that_does_not_end_leaves_the_others_and_is_tried_again(self):
        tool = self.program("compute-sanitizer", self.SCRIPT.format(folder=self.folder, hang=HANG))
        programs, found, written = gpu.Programs(self.folder / "log", 600), session([]), []
        failed = gpu.Found(None, False, "it exited with code 1; its last output was: ========= ERROR SUMMARY: 3 errors")
        sanitise = lambda: gpu.sanitise(programs, tool, "tests", self.folder, 150, found, lambda: written.append(len(found.sanitised)))
        sanitise()
        hung = gpu.Found(None, True, "it was stopped after 50 s")
        self.assertEqual(found.sanitised, {**CLEAN, ("memcheck", "random_graphs"): hung, ("memcheck", "every_kernel_of_ops"): failed})
        calls = (self.folder / "calls").read_text().splitlines()
        self.assertEqual(calls[:3], [f"{tool} random_graphs" for tool in gpu.TOOLS], "the most important first")
        self.assertEqual(written, list(range(1, 10)))
        sanitise()
        self.assertEqual(found.sanitised, {**CLEAN, ("memcheck", "every_kernel_of_ops"): failed})
        self.assertEqual((self.folder / "calls").read_text().splitlines()[len(calls) :], ["memcheck random_graphs"])

    def test_each_has_a_third_of_what_is_left_but_enough_to_start(self):
        given = []
        programs = gpu.Programs(self.folder / "log", 1000)
        with mock.patch.object(programs, "run", lambda command, most, **_: given.append(most) or gpu.Ran(0, "")):
            for seconds in (150, 60, 20):
                gpu.sanitise(programs, "tool", "tests", self.folder, seconds, session([]), lambda: None)
        # Each time, the tool is asked for its options first.
        self.assertEqual([round(given[at]) for at in (1, 11, 21)], [50, 40, 20])

    def test_errors_of_racecheck_are_counted_again_without_what_it_misunderstands(self):
        tool = self.program("compute-sanitizer", f"""
            echo "$@" >> {self.folder}/calls
            case "$*" in
                --help) echo "  --report-api-errors arg (=extended)"; exit;;
                *racecheck*kns=*) errors=1;;
                *racecheck*) errors=9
                    echo "========= Error: Race reported between Write access at gemm_128x256_64+0xe50"
                    echo "=========     and Read access at hash_chunks(Hash)+0x280 [4 hazards]";;
                *) errors=0
            esac
            echo "test result: ok. 1 passed"
            echo "========= ERROR SUMMARY: $errors errors" """)
        found = session([])
        gpu.sanitise(gpu.Programs(self.folder / "log"), tool, "tests", self.folder, 150, found, lambda: None)
        told = "racecheck found 9 errors in random_graphs, in the kernels gemm_128x256_64, hash_chunks; without those for Hopper's"
        self.assertIn(f"{told} tensor cores it found 1.", gpu.page(found))
        self.assertIn("| errors found by compute-sanitizer's racecheck | 27 (3 of 3 tests) | ≤ 0 | **no** |", gpu.page(found))
        calls = (self.folder / "calls").read_text().splitlines()
        rest = "tests --exact random_graphs --nocapture"
        self.assertEqual(calls[:5], [
            "--help", f"--tool memcheck --report-api-errors explicit {rest}", f"--tool racecheck {rest}",
            f"--tool racecheck --kernel-name-exclude kns=128x256 --kernel-name-exclude kns=256x128 {rest}", f"--tool synccheck {rest}",
        ])

    def test_the_kernels_in_its_reports_are_named_in_every_form(self):
        for report in (
            "========= Error: Race reported between Write access at gemm_16(Gemm)+0xf0 in gemm.cu:40",
            "========= Warning: Race reported between Write access at 0x68 in gemm_16\n=========     and Read access at 0x78 in gemm_16",
            "========= ERROR: Race reported between Write access at 0x68 in ./gemm.cu:557:gemm_16(Gemm const &) [32 hazards]",
            "========= Invalid __global__ read of size 4 bytes\n=========     at gemm_16+0xa0\n=========     by thread (0,0,0)",
            "=========     at 0x1a0 in gemm_16\n=========     Host Frame: cuLaunchKernel+0x1b in libcuda.so\nmain+0x1",
        ):
            self.assertEqual(gpu.kernels(report), ("gemm_16",), report)

    def test_it_is_found_in_a_toolkit_and_in_a_python_package(self):
        places = [self.folder / "nvidia/cu13/compute-sanitizer/compute-sanitizer", self.folder / "cuda-12.8/bin/compute-sanitizer"]
        with mock.patch.object(sys, "path", ["", str(self.folder)]), mock.patch.object(gpu.shutil, "which", return_value=None):
            self.assertIsNone(gpu.compute_sanitizer())
            for place in places:
                place.parent.mkdir(parents=True)
                place.touch()
                self.assertEqual(gpu.compute_sanitizer(), place)


class Compiler(Folder):
    def test_the_newest_nvrtc_that_the_driver_takes_is_found(self):
        placed = {}

        def load(name, driver):
            def driver_version(to):
                to._obj.value = driver

            def nvrtc_version(major, minor):
                major._obj.value, minor._obj.value = placed[name]

            if name == "libcuda.so.1":
                return types.SimpleNamespace(cuDriverGetVersion=driver_version)
            if name not in placed:
                raise OSError
            return types.SimpleNamespace(nvrtcVersion=nvrtc_version)

        def found(driver):
            here = mock.patch.object(sys, "path", ["", str(self.folder)])
            with here, mock.patch.object(gpu.ctypes, "CDLL", side_effect=lambda name: load(name, driver)):
                path = gpu.nvrtc()
                return path and str(path.relative_to(self.folder))

        def place(path, version):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).touch()
            placed[str(self.folder / path)] = version

        old, new = "nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/cu13/lib/libnvrtc.so.13"
        place(old, (12, 2))
        place(new, (13, 0))
        place("nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12", (12, 9))
        place("nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2", (11, 8))
        # This one cannot be loaded.
        (self.folder / "nvidia/cu13/lib/libnvrtc.so.14").touch()
        # If the driver supports none of them, the engine has to look for another. Without a driver, nothing is known.
        drivers = {12080: old, 13000: new, 11080: "nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2", 10020: None, 0: new}
        self.assertEqual({driver: found(driver) for driver in drivers}, drivers)
        toolkits = [f"cuda-12.{minor}/lib64/libnvrtc.so.12" for minor in (6, 4)]
        place(toolkits[0], (12, 6))
        place(toolkits[1], (12, 4))
        self.assertEqual(found(12080), toolkits[0])
        # The NVRTC that `cargo xtask setup` installs.
        cached = "cache/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"
        place(cached, (12, 9))
        self.assertEqual(found(12080), toolkits[0])
        with mock.patch.dict(os.environ, {"IONET_CACHE": str(self.folder / "cache")}):
            self.assertEqual(found(12080), cached)


class Whole(Folder):
    """The whole script, with fake programs."""

    # In a first turn engine-bench is called twice for a model, U-Net and transformer, once for each of three products and for the work.
    CALLS = 10

    def setUp(self):
        super().setUp()
        (self.folder / "model").mkdir()
        (self.folder / "model" / "model.json").write_text('{"checkpoint_interval": 11}')
        self.smi("NVIDIA A, 1.2, 0, 4")
        report = {**turn("net", 2.0, hashing=0.5).engine, "macs_per_unit": 1}
        work = {"layers": 32, "bytes": 1 << 35, "width": 4096, "seconds": 9.5, "seconds_per_layer": 0.3, "tera_ops_per_second": 948.0}
        self.calls = self.folder / "calls"
        self.answers = f"""
            echo "$@" >> {self.calls}
            case $1 in
                --work) echo '{json.dumps(work)}';;
                *) echo '{json.dumps(report)}'
            esac"""
        self.tests = self.program("tests", self.two_tests("cat"))
        found = {"PATH": f"{self.folder}:{os.environ['PATH']}", "IONET_NVRTC": "none", "CUDA_VISIBLE_DEVICES": "0"}
        self.contexts.enter_context(mock.patch.dict(os.environ, found))

    def smi(self, says, gpu="0"):
        """A fake nvidia-smi that says this of a GPU, and that its load is high."""
        self.program("nvidia-smi", f"""
            [ $1 = --id={gpu} ] || exit 1
            case $3 in *name*) echo "{says}";; *) echo "600.5, 590, 1980, 50, 0x4"; exec sleep 60; esac""")

    @staticmethod
    def two_tests(second):
        """A script for two fake tests. `second` is the command that prints the output of the second one."""
        return f"""
            if [ "$1" = --list ]; then echo "random_graphs: test"; echo "every_kernel_of_ops: test"; exit; fi
            if [ $2 = random_graphs ] || [ -n "$CUDA_CASES" ]; then read=cat; else read='{second}'; fi
            eval "$read" <<'END'\n{TESTED}END"""

    def arguments(self, *options):
        given = {"--engine": self.folder / "engine", "--tests": self.tests, "--models": self.folder, "--page": self.folder / "gpu.md"}
        return [str(option) for option in (*itertools.chain(*given.items()), *options)]

    def page(self, *options):
        with contextlib.redirect_stdout(io.StringIO()):
            gpu.main(self.arguments(*options))
        return (self.folder / "gpu.md").read_text()

    def alone(self):
        """Hides PyTorch."""
        return mock.patch.object(gpu.importlib.util, "find_spec", return_value=None)

    def test_with_everything_at_hand_every_line_is_answered(self):
        self.program("engine", self.answers)
        self.program("compute-sanitizer", 'shift 2; "$@"; echo "========= ERROR SUMMARY: 0 errors"')
        worker = self.program("worker", f'[ "$*" = "selftest --models {self.folder.resolve()} --gpu 0" ]')
        peer = {"torch": "2.9", "how": "compiled", "units_per_second": 1000.0, "macs_per_unit": 1, "median_ms": 4.0, "p99_ms": 5.0}
        reference = self.folder / "reference.py"
        reference.write_text(f"print({json.dumps(json.dumps(peer))})")
        with mock.patch.object(gpu, "REFERENCE", reference), mock.patch.object(gpu.importlib.util, "find_spec"):
            page = self.page("--rounds", "2", "--worker", worker)
        answers = [row for row in page.splitlines() if row.endswith(("| yes |", "| **no** |", "| — |"))]
        self.assertEqual(len(answers), 14)
        for row in answers:
            self.assertTrue(row.endswith("| yes |"), row)
        self.assertNotIn("was not measured completely", page)
        self.assertIn("PyTorch 2.9", page)
        self.assertIn("32 layers of 34,359,738,368 bytes in lines of 4,096: **9.50 s**, 0.300 s per layer,\n948 TOPS.", page)
        self.assertEqual(len(self.calls.read_text().splitlines()), 2 * self.CALLS - 1)

    def test_parts_are_done_alone_and_what_was_not_asked_for_is_told(self):
        self.program("engine", self.answers)
        self.program("compute-sanitizer", 'shift 2; "$@"; echo "========= ERROR SUMMARY: 0 errors"')
        worker = self.program("worker", f"echo worker >> {self.calls}")
        with self.alone():
            page = self.page("--rounds", "1", "--worker", worker, "--only", "tests", "bench")
            self.assertIn("Not asked for: sanitise.", page)
            self.assertIn("| errors found by compute-sanitizer's memcheck | not measured |", page)
            self.assertIn("| random op cases compared with the CPU, bit for bit | 10,012 | ≥ 10,000 | yes |", page)
            self.assertIn("| golden vectors of each shipped model, on the CPU and the GPU | passed | passed | yes |", page)
            self.assertEqual(page.count("| net × 4 | 2.000 ms"), 6)
            self.calls.unlink()
            page = self.page("--worker", worker, "--only", "sanitise", "--seconds", "240")
        self.assertFalse(self.calls.exists(), "neither engine nor worker")
        self.assertIn("Not asked for: tests, bench.", page)
        for tool in gpu.TOOLS:
            self.assertIn(f"| errors found by compute-sanitizer's {tool} | 0 (3 of 3 tests) | ≤ 0 | yes |", page)
        self.assertIn("| random op cases compared with the CPU, bit for bit | not measured |", page)
        self.assertNotIn("was not measured completely", page)
        # Alone, compute-sanitizer has all of the time.
        self.program("compute-sanitizer", f"[ $1 = --help ] || {HANG}")
        with self.alone():
            page = self.page("--only", "sanitise", "--seconds", "240")
        self.assertIn("compute-sanitizer did not finish random_graphs with synccheck: it was stopped after 40 s.", page)

    def test_what_else_uses_the_gpu_is_told_and_all_programs_number_gpus_alike(self):
        self.program("engine", f'[ "$CUDA_DEVICE_ORDER" = PCI_BUS_ID ] || exit 1\n{self.answers}')
        for busy, memory, told in ((93, 4, True), (0, 70000, True), (0, 256, False)):
            self.smi(f"NVIDIA A, 1.2, {busy}, {memory}", gpu="2")
            with self.alone(), mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": "2,3"}):
                page = self.page("--rounds", "1")
            reading = f"Before the start, nvidia-smi showed the GPU busy {busy} % of the time, with {memory} MiB of its memory in use."
            self.assertEqual(reading in page, told, reading)
            self.assertEqual(page.count("| net × 4 | 2.000 ms"), 6)

    def test_nvidia_smi_is_asked_about_the_first_gpu_that_the_programs_see(self):
        whole = "GPU-01234567-89ab-cdef-0123-456789abcdef"
        part, slice = whole[:12], f"MIG-{whole[4:]}"
        for visible, asked in {"2,3": "2", " 1": "1", f"{whole},2": whole, part: "0", slice: "0", "": "0", "-1": "0"}.items():
            with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": visible}):
                self.assertEqual(gpu.query()[1], f"--id={asked}", visible)

    def test_a_test_that_ends_before_it_says_what_it_compared_is_sanitised(self):
        self.program("engine", self.answers)
        self.program("compute-sanitizer", 'shift 2; "$@"; echo "========= ERROR SUMMARY: 1 error"')
        self.program("tests", 'if [ "$1" = --list ]; then echo "random_graphs: test"; else exit 101; fi')
        with self.alone():
            page = self.page("--rounds", "1")
        told = "compute-sanitizer did not finish random_graphs with memcheck: it exited with code 0; its last output was: ========="
        self.assertIn(told, page)

    def test_without_nvidia_smi_and_tests_all_goes_on(self):
        self.program("nvidia-smi", HANG)
        self.program("engine", self.answers)
        worker = self.program("worker", "echo 'error: 1 model differs' >&2; exit 1")
        self.tests.chmod(0o644)
        with self.alone():
            page = self.page("--rounds", "1", "--worker", worker)
        self.assertIn("Machine: unknown; kernels for sm_90", page)
        self.assertIn("The name of the GPU is not known: nvidia-smi was stopped after 20 s.", page)
        self.assertIn("The tests did not run: cannot start", page)
        self.assertIn("The golden vectors did not all match: worker failed: error: 1 model differs.", page)
        self.assertIn("| golden vectors of each shipped model, on the CPU and the GPU | failed | passed | **no** |", page)
        self.assertEqual(page.count("| net × 4 | 2.000 ms"), 6)

    def test_in_too_little_time_every_network_has_a_turn_before_any_has_two(self):
        # The engine hangs from the second turn on.
        self.program("engine", f"{self.answers}\nif [ $(wc -l < {self.calls}) -gt {self.CALLS} ]; then {HANG}; fi")
        with self.alone():
            page = self.page("--seconds", "60")
        self.assertEqual(self.clock.now, 60)
        calls = self.calls.read_text().splitlines()
        self.assertEqual(len(set(calls[: self.CALLS])), self.CALLS, calls)
        self.assertLessEqual(len(calls), self.CALLS + 2, calls)
        self.assertIn("(turns: 1): engine was stopped after ", page)
        self.assertIn("(turns: 1): there was no time left for turn 2.", page)
        self.assertEqual(page.count("| net × 4 | 2.000 ms"), 6)

    def test_a_hang_leaves_what_came_before(self):
        # The first product hangs.
        self.program("engine", f'case "$2$4" in gemm4096) {HANG};; esac\n{self.answers}')
        with self.alone():
            page = self.page("--seconds", "60", "--rounds", "1")
        self.assertIn("(turns: 0): engine was stopped", page)
        self.assertIn("| random op cases compared with the CPU, bit for bit | 10,012 | ≥ 10,000 | yes |", page)
        self.assertEqual(page.count("| net × 4 | 2.000 ms"), 4)

    def test_whatever_ends_all_leaves_the_tests_that_came_before(self):
        # The second test ends the script that runs it.
        self.program("tests", self.two_tests("kill -9 $PPID"))
        self.program("engine", self.answers)
        ended = gpu.subprocess.run([sys.executable, gpu.__file__, *self.arguments()], stderr=gpu.subprocess.DEVNULL)
        self.assertEqual(ended.returncode, -9)
        page = (self.folder / "gpu.md").read_text()
        self.assertIn("Tests that passed: random_graphs.", page)
        self.assertIn("| tests that failed | 0 (1 of 2 tests) | ≤ 0 | — |", page)


if __name__ == "__main__":
    unittest.main()
