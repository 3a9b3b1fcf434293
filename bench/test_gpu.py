"""What `gpu.py` makes of reports: python3 -m unittest test_gpu"""

import datetime
import json
import sys
import tempfile
import unittest
from pathlib import Path

import gpu

TESTED = """\
compared: 10012 op cases on GPU 0 (NVIDIA A), of 1700 graphs: {"add": 900}
compared: 10020 op cases on GPU 1 (NVIDIA A), of 1701 graphs: {"add": 901}
test random_graphs ... ok
compared: 1003 runs of imagine on GPU 0 (NVIDIA A)
compared: 1100 runs of upscale on GPU 0 (NVIDIA A)
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9.00s
"""


def turn(name, pass_ms, p99=1.1, hashing=5.0, blocks=0.5, peer_ms=None):
    """Reports in which a pass takes so many milliseconds."""
    figures = {
        "name": "NVIDIA A", "units": 4, "memory_mib": 100.0, "pass_p50_ms": pass_ms, "pass_p95_ms": pass_ms, "pass_p99_ms": p99 * pass_ms,
        "units_per_second": 4000 / pass_ms, "tera_ops_per_second": 1.0, "trace_overhead_percent": hashing, "batch_p50_ms": 2 * pass_ms,
        "batch_p95_ms": 2 * pass_ms, "batch_p99_ms": 2 * pass_ms,
    }
    peer = peer_ms and {"torch": "2.0", "how": "compiled", "median_ms": peer_ms, "p99_ms": peer_ms}
    of = lambda checkpoints, added: {
        "model": name, "unit_ms": pass_ms, "macs_per_unit": 10, "checkpoints": checkpoints, "gpu": figures | {"trace_overhead_percent": added},
    }
    return gpu.Turn(of(9, hashing), blocks and of(2, blocks), peer)


def measured():
    """Everything, measured: in turns of which the middle one counts."""
    kinds = {network.kind: network for network in gpu.networks(Path())}
    return [
        (gpu.Network("model", ["--model", "upscale"]), [turn("upscale", 1.0, hashing=11.0)], None),
        (kinds["gemm"], [turn("gemm 4096", ms, blocks=None, peer_ms=0.8) for ms in (0.5, 1.0, 4.0)], None),
        (kinds["gemm"], [turn("gemm 8192", 2.0, blocks=None, peer_ms=2.0)], None),
        (kinds["unet"], [turn("unet", 2.0, blocks=1.2, peer_ms=1.9)], None),
        (kinds["transformer"], [turn("transformer", 1.0, p99=1.3, peer_ms=1.0)], None),
    ]


def verdicts(measured, tests):
    return {line.what.split(",")[0].split(" beside")[0]: (line.figure, line.holds) for line in gpu.asked(measured, tests)}


class Reading(unittest.TestCase):
    def test_the_least_that_a_gpu_or_a_model_was_compared_for_counts(self):
        self.assertEqual(gpu.compared(TESTED), (10012, 1003, 0))

    def test_a_difference_is_counted_and_a_machine_without_gpu_has_none(self):
        self.assertEqual(gpu.compared("test result: FAILED. 2 passed; 2 failed; 0 ignored"), (None, None, 2))
        self.assertEqual(gpu.compared("test result: ok. 4 passed; 0 failed; 0 ignored"), (None, None, None))

    def test_errors_of_each_tool(self):
        self.assertEqual(gpu.errors(f"{TESTED}========= ERROR SUMMARY: 3 errors\n"), 3)
        self.assertEqual(gpu.errors(f"{TESTED}========= RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)\n"), 1)
        self.assertIsNone(gpu.errors(f"{TESTED}Device not supported"))
        self.assertIsNone(gpu.errors("test result: FAILED. 0 passed; 4 failed\n========= ERROR SUMMARY: 0 errors\n"), "nothing was compared")


class Page(unittest.TestCase):
    def test_every_limit_is_applied_to_the_worst(self):
        found = verdicts(measured(), gpu.Tests(10_012, 999, 0, 0))
        self.assertEqual(found["random op cases compared with the CPU's"], ("10,012", True))
        self.assertEqual(found["runs of each shipped model compared"], ("999", False))
        self.assertEqual(found["tests that found a difference"], ("0", True))
        self.assertEqual(found["int8 GEMM"], ("0.80×", True))
        self.assertEqual(found["U-Net"], ("0.95×", False))
        self.assertEqual(found["transformer block"], ("1.00×", True))
        # 11 % more time is 9.9 % less throughput.
        self.assertEqual(found["throughput that hashing every op costs"], ("9.9 % (upscale × 4)", True))
        self.assertEqual(found["throughput that hashing the ends of blocks costs"], ("1.2 % (unet × 4)", False))
        self.assertEqual(found["p99/p50 of passes"], ("1.30 (transformer × 4)", False))
        self.assertEqual(found["p99/p50 of batches"], ("1.00 (upscale × 4)", True))

    def test_what_was_not_measured_does_not_hold(self):
        alone = [(network, [gpu.Turn(turn.engine, turn.blocks, None) for turn in turns], None) for network, turns, _ in measured()]
        alone[0] = (alone[0][0], [], "engine-bench failed: it is lost")
        found = verdicts(alone, gpu.Tests())
        self.assertEqual(
            {name for name, (_, holds) in found.items() if holds is not None},
            {"p99/p50 of passes", "throughput that hashing the ends of blocks costs"},
        )
        self.assertEqual(found["U-Net"], (None, None))
        page = gpu.page("NVIDIA A, driver 1", datetime.date(2026, 1, 2), 1, 5, alone, gpu.Tests())
        self.assertIn("Of --model upscale not all was measured: engine-bench failed: it is lost.", page)
        self.assertIn("the engine stands alone", page)
        self.assertNotIn("Beside PyTorch", page)

    def test_tables_have_the_same_columns_in_every_row(self):
        page = gpu.page("NVIDIA A, driver 1", datetime.date(2026, 1, 2), 3, 5, measured(), gpu.Tests(1, 1, 1, 1))
        self.assertIn("on 2026-01-02. Machine: NVIDIA A, driver 1. PyTorch 2.0.", page)
        self.assertIn("| unet × 4 | 2.000 ms | 2.000 ms | 2.200 ms | 2000.0 | 1.0 | +5.0 % | +1.2 % (2 of 9) | 4.000 ms | 4.000 ms | 2.000 ms | 100 MiB |", page)
        self.assertIn("| gemm 4096 × 4 | compiled | 4000.0 | 5000.0 | 0.800 ms | 0.800 ms | 0.80× (0.20 to 1.60) |", page)
        for table in page.split("\n\n"):
            rows = [row for row in table.splitlines() if row.startswith("|")]
            self.assertLessEqual(len({row.count("|") for row in rows}), 1, table)

    def test_the_page_of_this_checkout_has_the_commands(self):
        self.assertIn(gpu.COMMANDS, (gpu.ROOT / "bench/gpu.md").read_text())


class Turns(unittest.TestCase):
    def engine(self, script):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = Path(folder.name) / "engine"
        program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
        program.chmod(0o755)
        return program

    def test_every_turn_does_the_units_of_the_first(self):
        script = "import json; print(json.dumps({'told': sys.argv, 'gpu': {'units': 32}}))"

        def units(network):
            turns, trouble = gpu.measure(self.engine(script), network, 3, 5, False)
            self.assertIsNone(trouble)
            told = [turn.engine["told"] for turn in turns]
            return [arguments[arguments.index("--units") + 1] if "--units" in arguments else None for arguments in told]

        self.assertEqual(units(gpu.Network("model", ["--model", "m"])), [None, "32", "32"])
        turns, _ = gpu.measure(self.engine(script), gpu.Network("unet", ["--synthetic", "unet"]), 1, 5, False)
        told = [of["told"] for of in (turns[0].engine, turns[0].blocks)]
        self.assertEqual([arguments[arguments.index("--checkpoint-interval") + 1] for arguments in told], ["1", "8"])
        self.assertEqual(units(gpu.Network("gemm", ["--synthetic", "gemm"], 4)), ["4", "32", "32"])

    def test_a_failure_is_told_and_leaves_the_rest(self):
        turns, trouble = gpu.measure(self.engine("sys.exit('error: no such GPU')"), gpu.Network("unet", []), 3, 5, True)
        self.assertEqual((turns, trouble), ([], "engine failed: error: no such GPU"))
        # No network of PyTorch's has one multiply-accumulate, whether there is PyTorch or not.
        script = f"print({json.dumps(json.dumps({'macs_per_unit': 1, 'gpu': {'units': 2}}))})"
        turns, trouble = gpu.measure(self.engine(script), gpu.Network("transformer", ["--synthetic", "transformer"]), 2, 5, True)
        self.assertEqual([turn.peer for turn in turns], [None, None])
        self.assertTrue(trouble.startswith("python") and "failed" in trouble, trouble)


if __name__ == "__main__":
    unittest.main()
