"""Trains `upscale`, quantises it, and compares the integer model with bicubic interpolation on held-out photos.

    python train_upscale.py                      full run, about 15 minutes on two cores
    python train_upscale.py --steps 300 --fine-tune 100 --out /tmp/upscale     a smoke test
"""

import argparse
import inspect
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import skimage.data
import sklearn.datasets
from PIL import Image

import quantise
from quantise import Layer, Quant

HERE = Path(__file__).parent
CORE, WIDTH, BLOCKS = 64, 32, 4
HALO = BLOCKS + 2  # every unpadded 3×3 convolution removes one pixel on each side
UNIT = 1 / 64  # a pixel code p − 128 enters the network as (p − 128)/64

SKIMAGE = Path(inspect.getfile(skimage.data)).parent
SKLEARN = Path(inspect.getfile(sklearn.datasets)).parent / "images"
TRAIN = [SKIMAGE / n for n in ("coffee.png", "camera.png", "brick.png", "grass.png", "gravel.png", "coins.png", "hubble_deep_field.jpg", "retina.jpg")]
TRAIN += [SKLEARN / n for n in ("china.jpg", "flower.jpg")]
HELD_OUT = {"astronaut": SKIMAGE / "astronaut.png", "chelsea": SKIMAGE / "chelsea.png", "rocket": SKIMAGE / "rocket.jpg"}

# Pixel shuffle order: output channel (p·2 + q)·3 + k of low-resolution pixel (i, j) is channel k of pixel (2i + p, 2j + q).
# The skip path repeats each input pixel four times. All its taps but the centre are zero: with a dilation of HALO, a 3×3
# kernel crops exactly what the unpadded convolutions remove.
SKIP = np.zeros((3, 3, 3, 12), np.float32)
for subpixel in range(4):
    SKIP[1, 1, range(3), [subpixel * 3 + k for k in range(3)]] = 1

LAYERS = [
    Layer("conv2d", "head", ("image",), WIDTH, 3, relu=True),
    *(Layer("conv2d", f"body{i}", (f"body{i - 1}" if i else "head",), WIDTH, 3, relu=True) for i in range(BLOCKS)),
    Layer("conv2d", "detail", (f"body{BLOCKS - 1}",), 12, 3),
    Layer("conv2d", "skip", ("image",), 12, 3, dilation=HALO, scale=UNIT, fixed=SKIP),
    Layer("add", "sum", ("skip", "detail"), scale=UNIT),
    Layer("depth_to_space", "pixels", ("sum",), factor=2),
]


def start():
    """Random weights, except that three channels carry the image itself and `detail` starts as bilinear minus nearest.

    Training then starts from bilinear interpolation instead of spending its first minutes on finding it.
    """
    params = quantise.init(LAYERS, {"image": 3}, seed=1)
    for layer in LAYERS[: BLOCKS + 1]:
        w, b = np.array(params[layer.name]["w"]), np.zeros(WIDTH, np.float32)
        w[..., :3] = 0
        w[1, 1, range(3), range(3)] = 1
        if layer.name == "head":
            b[:3] = 128 * UNIT  # keeps the carried image above the ReLU
        params[layer.name] = {"w": jnp.asarray(w), "b": jnp.asarray(b)}
    w = 0.1 * np.array(params["detail"]["w"])
    w[:, :, :3] = -SKIP
    taps = np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]])
    for p in range(2):
        for q in range(2):
            for k in range(3):
                w[:, :, k, (p * 2 + q) * 3 + k] += np.outer(taps[p], taps[q])
    params["detail"]["w"] = jnp.asarray(w)
    return params


def even(photo):
    return photo.crop((0, 0, photo.width // 2 * 2, photo.height // 2 * 2))


def halve(photo):
    return photo.resize((photo.width // 2, photo.height // 2), Image.BICUBIC)


def load_training():
    """Pairs (low, high) of uint8 arrays: each photo at full size, and at 3/4 and 1/2, where details are sharper."""
    pairs = []
    for path in TRAIN:
        full = Image.open(path).convert("RGB")
        for scale in (1, 0.75, 0.5):
            high = even(full.resize((int(full.width * scale), int(full.height * scale)), Image.LANCZOS) if scale < 1 else full)
            pairs.append((np.asarray(halve(high)), np.asarray(high)))
    return pairs


def batches(pairs, size, batch, seed):
    """Endless random crops of `size` low-resolution pixels with flips, turns, colour permutation and inversion."""
    rng = np.random.default_rng(seed)
    areas = np.array([low.shape[0] * low.shape[1] for low, _ in pairs], np.float64)
    areas /= areas.sum()
    out = size - 2 * HALO

    def crop():
        low, high = pairs[rng.choice(len(pairs), p=areas)]
        y, x = (rng.integers(0, n - size + 1) for n in low.shape[:2])
        a = low[y : y + size, x : x + size]
        b = high[2 * (y + HALO) : 2 * (y + HALO + out), 2 * (x + HALO) : 2 * (x + HALO + out)]
        return a, b

    while True:
        lows, highs = [], []
        for _ in range(batch):
            # Of three crops, keep the one with the most detail: sky teaches nothing.
            a, b = max((crop() for _ in range(3)), key=lambda pair: np.abs(np.diff(pair[1].astype(np.int16), axis=0)).mean())
            order, turn, flip, invert = rng.permutation(3), rng.integers(4), rng.integers(2), rng.integers(4) == 0
            a, b = (np.rot90(v[:, ::-1] if flip else v, turn)[..., order] for v in (a, b))
            lows.append(255 - a if invert else a)
            highs.append(255 - b if invert else b)
        yield tuple((np.stack(v).astype(np.float32) - 128) * UNIT for v in (lows, highs))


def train(params, data, steps, rate, quants, note):
    """Adam with Charbonnier loss and cosine decay. Returns the running average of the weights."""
    schedule = optax.warmup_cosine_decay_schedule(0, rate, min(100, steps // 4), steps, rate / 50)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def loss_of(params, low, high):
        error = quantise.forward(LAYERS, params, {"image": low}, quants)["pixels"] - high
        return jnp.mean(jnp.sqrt(error**2 + 1e-4)), jnp.mean(error**2)

    @jax.jit
    def step(params, average, state, low, high):
        (_, squared), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, low, high)
        updates, state = optimiser.update(gradient, state)
        params = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda a, p: a * 0.995 + p * 0.005, average, params)
        return params, average, state, squared

    average, state, recent, started = params, optimiser.init(params), [], time.time()
    for i in range(steps):
        params, average, state, squared = step(params, average, state, *next(data))
        recent.append(float(squared))
        if (i + 1) % 250 == 0 or i + 1 == steps:
            psnr = 10 * np.log10((255 * UNIT) ** 2 / np.mean(recent))
            print(f"{note} {i + 1}/{steps}: training PSNR {psnr:.2f} dB, {time.time() - started:.0f} s", flush=True)
            recent = []
    return average


def upscale(package, photo):
    """Runs a photo through the integer model tile by tile, with replicated edges, as a client does."""
    h, w = photo.shape[:2]
    rows, cols = -(-h // CORE), -(-w // CORE)
    padded = np.pad(photo, ((HALO, HALO + rows * CORE - h), (HALO, HALO + cols * CORE - w), (0, 0)), mode="edge")
    out = np.zeros((rows * CORE * 2, cols * CORE * 2, 3), np.uint8)
    side = CORE + 2 * HALO
    for r in range(rows):
        for c in range(cols):
            tile = padded[r * CORE : r * CORE + side, c * CORE : c * CORE + side]
            codes = package.run((tile.astype(np.int16) - 128).astype(np.int8))
            out[r * CORE * 2 : (r + 1) * CORE * 2, c * CORE * 2 : (c + 1) * CORE * 2] = codes.astype(np.int16) + 128
    return out[: h * 2, : w * 2]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


def measure(package, params):
    """PSNR of bicubic interpolation, the float model and the integer model, over all RGB samples of each held-out photo."""
    table = []
    for name, path in HELD_OUT.items():
        high = even(Image.open(path).convert("RGB"))
        low, truth = halve(high), np.asarray(high)
        bicubic = np.asarray(low.resize(high.size, Image.BICUBIC))
        padded = np.pad(np.asarray(low), ((HALO, HALO), (HALO, HALO), (0, 0)), mode="edge").astype(np.float32)
        real = quantise.forward(LAYERS, params, {"image": (padded[None] - 128) * UNIT})["pixels"][0]
        exact = np.clip(np.round(np.asarray(real) / UNIT) + 128, 0, 255)
        row = {
            "photo": name, "size": list(high.size), "bicubic": psnr(bicubic, truth),
            "float": psnr(exact, truth), "integer": psnr(upscale(package, np.asarray(low)), truth),
        }
        table.append(row | {"gain": row["integer"] - row["bicubic"]})
    table.append({"photo": "mean"} | {key: float(np.mean([row[key] for row in table])) for key in ("bicubic", "float", "integer", "gain")})
    return table


def save_sample(folder):
    """Writes the demo's photo, which is part of a public-domain portrait, halved, and the full-size original."""
    truth = Image.open(HELD_OUT["astronaut"]).convert("RGB").crop((0, 0, 512, 384))
    truth.save(folder / "sample_truth.png", optimize=True)
    halve(truth).save(folder / "sample.png", optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--fine-tune", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=HERE / "upscale")
    args = parser.parse_args()

    pairs = load_training()
    params = train(start(), batches(pairs, 48, 8, seed=2), args.steps, 1.5e-3, None, "float")

    low, _ = next(batches(pairs, 64, 64, seed=3))
    quants = quantise.calibrate(LAYERS, params, {"image": low}, {"image": Quant(UNIT, 0)})
    params = train(params, batches(pairs, 48, 8, seed=4), args.fine_tune, 2e-4, quants, "int8")

    header = {
        "name": "upscale", "version": "1.0.0", "license": "Apache-2.0",
        "description": "Doubles the side lengths of an RGB photo.",
        "task": {"kind": "upscale", "scale": 2, "core": CORE, "halo": HALO},
    }
    side = CORE + 2 * HALO
    package = quantise.export(args.out, header, [("image", (side, side, 3))], LAYERS, params, quants)
    save_sample(args.out)
    report = {"macs_per_unit": quantise.macs(package), "psnr": measure(package, params)}
    (args.out / "measured.json").write_text(json.dumps(report, indent=1) + "\n")
    for row in report["psnr"]:
        print(f"{row['photo']:>10}: bicubic {row['bicubic']:.2f}  float {row['float']:.2f}  integer {row['integer']:.2f}  gain {row['gain']:+.2f} dB")


if __name__ == "__main__":
    main()
