"""Compares `reference.py` with docs/operators.md, element by element: python -m unittest test_reference"""

import itertools
import unittest

import numpy as np

import reference


def codes(rng, *dims):
    return rng.integers(-128, 128, dims).astype(np.int8)


def plain(acc, bias, m, shift, zero_point, clamp):
    """Requantisation with Python's unbounded integers."""
    return max(clamp[0], min(clamp[1], (((acc + bias) * m + (1 << (shift - 1))) >> shift) + zero_point))


class Requantise(unittest.TestCase):
    def test_rounds_half_up_also_below_zero(self):
        halves = np.array([-3, -1, 1, 3])
        self.assertEqual(reference.requantise(halves, 0, 1, 1, 0, (-128, 127)).tolist(), [-1, 0, 1, 2])

    def test_extremes_do_not_wrap(self):
        bound = 2**30 - 1
        for acc, bias, m, shift in itertools.product((-bound, bound), (-bound, bound), (0, 2**31 - 1), (1, 31, 62)):
            got = reference.requantise(np.array([acc]), np.array([bias]), np.int64(m), shift, 5, (-100, 100))
            self.assertEqual(int(got[0]), plain(acc, bias, m, shift, 5, (-100, 100)))


class Conv2d(unittest.TestCase):
    def test_every_element_follows_the_definition(self):
        rng = np.random.default_rng(1)
        cases = [([1, 1], [0, 0, 0, 0], [1, 1], 1), ([2, 1], [1, 0, 2, 3], [1, 2], 2), ([1, 3], [2, 2, 0, 1], [3, 1], 4)]
        for stride, padding, dilation, groups in cases:
            h, w, ci, co, kh, kw, pad = 9, 8, 4, 8, 3, 2, -7
            x, weights = codes(rng, h, w, ci), rng.integers(-127, 128, (co, kh, kw, ci // groups)).astype(np.int8)
            bias, m = rng.integers(-9999, 9999, co).astype(np.int32), rng.integers(0, 2**31, co).astype(np.int32)
            op = {
                "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "pad_value": pad,
                "shift": 40, "zero_point": 3, "clamp": [-90, 110],
            }
            got = reference.conv2d(op, x, weights, bias, m)
            ho = (h + padding[0] + padding[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
            wo = (w + padding[1] + padding[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
            self.assertEqual(got.shape, (ho, wo, co))
            for i, j, o in itertools.product(range(ho), range(wo), range(co)):
                acc, first = 0, o // (co // groups) * (ci // groups)
                for p, q, c in itertools.product(range(kh), range(kw), range(ci // groups)):
                    y, z = i * stride[0] + p * dilation[0] - padding[0], j * stride[1] + q * dilation[1] - padding[1]
                    inside = 0 <= y < h and 0 <= z < w
                    acc += (int(x[y, z, first + c]) if inside else pad) * int(weights[o, p, q, c])
                self.assertEqual(int(got[i, j, o]), plain(acc, int(bias[o]), int(m[o]), 40, 3, (-90, 110)))


class Others(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(2)
        self.tail = {"shift": 30, "zero_point": -4, "clamp": [-128, 100]}

    def test_matmul_and_matmul_act(self):
        x, weights = codes(self.rng, 2, 3, 5), self.rng.integers(-127, 128, (4, 5)).astype(np.int8)
        bias, m = np.arange(4, dtype=np.int32), np.full(4, 12345678, np.int32)
        got = reference.matmul(self.tail, x, weights, bias, m)
        for i, j, n in np.ndindex(2, 3, 4):
            acc = sum(int(a) * int(b) for a, b in zip(x[i, j], weights[n]))
            self.assertEqual(int(got[i, j, n]), plain(acc, n, 12345678, 30, -4, (-128, 100)))
        a, b = codes(self.rng, 1, 3, 5), codes(self.rng, 1, 4, 5)
        got = reference.matmul_act(self.tail | {"a_zero_point": 9, "b_zero_point": -8, "multiplier": 2345678}, a, b)
        for i, n in np.ndindex(3, 4):
            acc = sum((int(p) - 9) * (int(q) + 8) for p, q in zip(a[0, i], b[0, n]))
            self.assertEqual(int(got[0, i, n]), plain(acc, 0, 2345678, 30, -4, (-128, 100)))

    def test_add_and_mul_broadcast_a_vector(self):
        a, b = codes(self.rng, 2, 3, 4), codes(self.rng, 1, 1, 4)
        zeros = {"a_zero_point": 2, "b_zero_point": -3}
        added = reference.add(self.tail | zeros | {"a_multiplier": -(2**29), "b_multiplier": 2**30 + 7}, a, b)
        multiplied = reference.mul(self.tail | zeros | {"multiplier": 2**23 + 1}, a, b)
        for i, j, k in np.ndindex(2, 3, 4):
            p, q = int(a[i, j, k]) - 2, int(b[0, 0, k]) + 3
            self.assertEqual(int(added[i, j, k]), plain(p * -(2**29) + q * (2**30 + 7), 0, 1, 30, -4, (-128, 100)))
            self.assertEqual(int(multiplied[i, j, k]), plain(p * q, 0, 2**23 + 1, 30, -4, (-128, 100)))

    def test_layout_ops(self):
        x = codes(self.rng, 2, 3, 8)
        space = reference.depth_to_space({"block": 2}, x)
        for i, j, p, q, k in np.ndindex(2, 3, 2, 2, 2):
            self.assertEqual(space[2 * i + p, 2 * j + q, k], x[i, j, (p * 2 + q) * 2 + k])
        bigger = reference.upsample({"factor": 3}, x)
        for i, j, k in np.ndindex(6, 9, 8):
            self.assertEqual(bigger[i, j, k], x[i // 3, j // 3, k])
        table = codes(self.rng, 256)
        self.assertEqual(reference.table8({}, x, table)[1, 2, 3], table[int(x[1, 2, 3]) + 128])
        self.assertEqual(reference.concat({}, x, x[..., :3]).shape, (2, 3, 11))

    def test_pools_treat_the_border_as_written(self):
        x = np.full((3, 3, 1), -128, np.int8)
        window = {"kernel": [2, 2], "stride": [1, 1], "padding": [1, 1, 1, 1]}
        self.assertTrue((reference.max_pool(window, x) == -128).all())
        # The divisor is four at the corner too: a single element of −128 − 0 gives −32.
        average = {"input_zero_point": 0, "multiplier": 1, "shift": 2, "zero_point": 0, "clamp": [-128, 127]}
        self.assertEqual(reference.avg_pool(window | average, x)[0, 0, 0], -32)


if __name__ == "__main__":
    unittest.main()
