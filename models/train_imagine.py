"""Trains `imagine` to paint the scenes of scenes.py, quantises it, and measures how well pictures follow their prompts.

    python train_imagine.py                      full run, about 20 minutes on two cores
    python train_imagine.py --steps 200 --fine-tune 50 --out /tmp/imagine      a smoke test
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

import judge
import prompt
import quantise
import scenes
from quantise import Layer, Quant

HERE = Path(__file__).parent
INPUTS = len(prompt.VOCABULARY) + prompt.LATENTS
UNIT = 1 / 64  # input and pixel codes enter and leave the network as code/64
TRUNK = 192

# A trunk of matmuls turns prompt and latent into a 4×4 field, which grows to 64×64. Colours join late: `tones` scales
# each feature map of the finished geometry, so the convolutions before it need not carry ten colours for every shape.
LAYERS = [
    Layer("matmul", "words", ("code",), TRUNK, relu=True),
    Layer("matmul", "plan", ("words",), TRUNK, relu=True),
    Layer("matmul", "seed", ("plan",), 1024, relu=True),
    Layer("depth_to_space", "field4", ("seed",), factor=4),
    Layer("conv2d", "conv4", ("field4",), 64, 3, 1, relu=True),
    Layer("upsample", "field8", ("conv4",), factor=2),
    Layer("conv2d", "conv8", ("field8",), 96, 3, 1, relu=True),
    Layer("conv2d", "conv8b", ("conv8",), 192, 3, 1, relu=True),
    Layer("depth_to_space", "field16", ("conv8b",), factor=2),
    Layer("conv2d", "conv16", ("field16",), 64, 3, 1, relu=True),
    Layer("conv2d", "conv16b", ("conv16",), 128, 3, 1, relu=True),
    Layer("depth_to_space", "field32", ("conv16b",), factor=2),
    Layer("conv2d", "conv32", ("field32",), 48, 3, 1, relu=True),
    Layer("matmul", "tones", ("plan",), 48),
    Layer("mul", "tinted", ("conv32", "tones")),
    Layer("conv2d", "blend", ("tinted",), 32, 3, 1, relu=True),
    Layer("conv2d", "paint", ("blend",), 12, 3, 1, scale=UNIT),
    Layer("depth_to_space", "pixels", ("paint",), factor=2),
]


def start():
    params = quantise.init(LAYERS, {"code": INPUTS}, seed=11)
    params["tones"]["b"] = params["tones"]["b"] + 1  # tinting begins as the identity
    return params


def make_batch(key, count):
    codes, _ = scenes.sample_codes(key, count)
    return codes[:, None, None, :] * UNIT, (scenes.render(codes) * 255 - 128) * UNIT


def train(params, steps, rate, batch, seed, quants, note):
    """Adam with cosine decay on the absolute error of pixels and of their differences to neighbours.

    The differences keep edges sharp, but no picture can be found by them alone: their weight grows over the first third.
    """
    schedule = optax.warmup_cosine_decay_schedule(0, rate, min(200, steps // 4), steps, rate / 50)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.99))

    def loss_of(params, code, target, weight):
        error = quantise.forward(LAYERS, params, {"code": code}, quants)["pixels"] - target
        edges = jnp.abs(jnp.diff(error, axis=1)).mean() + jnp.abs(jnp.diff(error, axis=2)).mean()
        return jnp.abs(error).mean() + weight * edges, jnp.mean(error**2)

    @jax.jit
    def step(params, average, state, key, weight):
        code, target = make_batch(key, batch)
        (_, squared), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, code, target, weight)
        updates, state = optimiser.update(gradient, state)
        params = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda a, p: a * 0.99 + p * 0.01, average, params)
        return params, average, state, squared

    average, state, recent, started = params, optimiser.init(params), [], time.time()
    for i in range(steps):
        params, average, state, squared = step(params, average, state, jax.random.fold_in(jax.random.key(seed), i), 1.0 if quants else min(1.0, 3 * i / steps))
        recent.append(float(squared))
        if (i + 1) % 100 == 0 or i + 1 == steps:
            psnr = 10 * np.log10((255 * UNIT) ** 2 / np.mean(recent))
            print(f"{note} {i + 1}/{steps}: training PSNR {psnr:.2f} dB, {time.time() - started:.0f} s", flush=True)
            recent = []
    return average


def paint(package, codes):
    """Pictures of the integer model as u8 `[n, 64, 64, 3]`."""
    return np.stack([package.run(np.asarray(code, np.int8).reshape(1, 1, -1)).astype(np.int16) + 128 for code in codes]).astype(np.uint8)


CONTACT = [
    "a large red circle on a blue background", "a glowing yellow heart on black", "a teal star on purple rays", "a white moon on striped blue",
    "a large orange ring on a dotted teal background", "a pink cross on green", "a small red star at the top left on yellow rays",
    "a large purple square on an orange striped background", "a glowing teal ring on black", "a large green triangle on white", "a red heart on pink rays",
    "a flat black star on a yellow dotted background", "a large yellow star on red rays", "a small white circle at the bottom right on purple",
    "a glowing pink moon on blue", "an orange cross on striped black", "a large blue heart on dotted white", "a green ring at the left on orange",
    "a flat red triangle on white rays", "a large glowing green star on black", "a purple circle at the top on a teal striped background",
    "a yellow moon at the right on dotted purple", "a large teal square on pink", "a glowing orange heart on purple",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--fine-tune", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--out", type=Path, default=HERE / "imagine")
    args = parser.parse_args()

    params = train(start(), args.steps, 1.5e-3, args.batch, 12, None, "float")
    code, _ = make_batch(jax.random.key(13), 256)
    quants = quantise.calibrate(LAYERS, params, {"code": code}, {"code": Quant(UNIT, 0)})
    params = train(params, args.fine_tune, 3e-4, args.batch, 14, quants, "int8")

    header = {
        "name": "imagine", "version": "1.0.0", "license": "Apache-2.0",
        "description": "Paints a small picture of one shape from a short prompt and a seed.", "task": prompt.TASK,
    }
    package = quantise.export(args.out, header, [("code", (1, 1, INPUTS))], LAYERS, params, quants)
    prompt.write_cases(args.out)

    pictures = paint(package, [prompt.encode(prompt.parse(text), seed) for seed, text in enumerate(CONTACT)])
    Image.fromarray(scenes.sheet(pictures.repeat(2, axis=1).repeat(2, axis=2), 6)).save(args.out / "contact_sheet.png", optimize=True)

    codes, picks = scenes.sample_codes(jax.random.key(15), 500)
    truth, made = np.asarray(scenes.render(codes) * 255), paint(package, codes)
    error = np.mean((truth - made) ** 2, axis=(1, 2, 3))
    report = {
        "macs_per_unit": quantise.macs(package),
        "pictures": len(made),
        "psnr_to_render_median": float(np.median(10 * np.log10(255**2 / error))),
        "accuracy": judge.accuracies(made, codes, picks),
    }
    (args.out / "measured.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
