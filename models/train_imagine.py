"""Trains `imagine` to paint the scenes of scenes.py, quantises it, and measures how well its pictures match their prompts.

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
from optax.contrib import MuonDimensionNumbers, muon
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

# A trunk of matmuls turns the prompt and the latent into a 4×4 field of features, which grows to 64×64; on the way, `style8`
# and `style16` scale its channels. `fields` holds geometry without colour, and `edges` cuts sharp masks out of it. Colours come
# last: `tones` scales each mask, so the convolutions need not learn ten colours for every shape.
LAYERS = [
    Layer("matmul", "words", ("code",), TRUNK, relu=True),
    Layer("matmul", "plan", ("words",), TRUNK, relu=True),
    Layer("matmul", "seed", ("plan",), 1024, relu=True),
    Layer("depth_to_space", "field4", ("seed",), factor=4),
    Layer("conv2d", "conv4", ("field4",), 64, 3, 1, relu=True),
    Layer("upsample", "field8", ("conv4",), factor=2),
    Layer("conv2d", "conv8", ("field8",), 96, 3, 1, relu=True),
    Layer("matmul", "style8", ("plan",), 96),
    Layer("mul", "styled8", ("conv8", "style8")),
    Layer("conv2d", "conv8b", ("styled8",), 192, 3, 1, relu=True),
    Layer("depth_to_space", "field16", ("conv8b",), factor=2),
    Layer("conv2d", "conv16", ("field16",), 64, 3, 1, relu=True),
    Layer("matmul", "style16", ("plan",), 64),
    Layer("mul", "styled16", ("conv16", "style16")),
    Layer("conv2d", "conv16b", ("styled16",), 128, 3, 1, relu=True),
    Layer("depth_to_space", "field32", ("conv16b",), factor=2),
    Layer("conv2d", "conv32", ("field32",), 64, 3, 1),
    Layer("depth_to_space", "fields", ("conv32",), factor=2),
    Layer("conv2d", "edges", ("fields",), 32, 3, 1, relu=True),
    Layer("matmul", "tones", ("plan",), 32),
    Layer("mul", "tinted", ("edges", "tones")),
    Layer("conv2d", "pixels", ("tinted",), 3, 3, 1, scale=UNIT),
]


def start():
    params = quantise.init(LAYERS, {"code": INPUTS}, seed=11)
    for name in ("style8", "style16", "tones"):
        params[name]["b"] += 1  # scaling begins as the identity
    return params


def make_batch(key, count):
    codes, _ = scenes.sample_codes(key, count)
    pictures, fields = scenes.render_fields(codes)
    return codes[:, None, None, :] * UNIT, (pictures * 255 - 128) * UNIT, fields


def train(params, steps, rate, batch, seed, quants, note):
    """Muon with cosine decay, and Adam for biases. (Muon needs half as many steps as Adam here.) The loss has three parts:

    * the absolute error of pixels;
    * the absolute error of differences between neighbours, which keeps edges sharp. It cannot find a picture on its own, so
      its weight grows over the first third of the steps;
    * the squared error of the first channels of `fields`, compared with the renderer's fields. These are smooth and have no
      colour, and teach geometry many times faster than pixels do.
    """
    schedule = lambda peak: optax.warmup_cosine_decay_schedule(0, peak, min(50, steps // 4), steps, peak / 50)
    fan_in_by_out = MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=(3,))
    matrices = lambda tree: jax.tree.map(lambda v: fan_in_by_out if v.ndim == 4 else None, tree)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        muon(schedule(rate), adam_learning_rate=schedule(rate / 10), muon_weight_dimension_numbers=matrices),
    )

    def loss_of(params, code, target, fields, weight):
        values = quantise.forward(LAYERS, params, {"code": code}, quants)
        error = values["pixels"] - target
        edges = jnp.abs(jnp.diff(error, axis=1)).mean() + jnp.abs(jnp.diff(error, axis=2)).mean()
        geometry = jnp.mean((values["fields"][..., : fields.shape[-1]] - fields) ** 2, axis=(0, 1, 2))
        return jnp.abs(error).mean() + weight * edges + 2 * geometry.sum(), (jnp.mean(error**2), geometry)

    @jax.jit
    def step(params, average, state, key, weight):
        code, target, fields = make_batch(key, batch)
        (_, notes), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, code, target, fields, weight)
        updates, state = optimiser.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda a, p: a * 0.99 + p * 0.01, average, params)
        return params, average, state, notes

    average, state, recent, started = params, optimiser.init(params), [], time.time()
    for i in range(steps):
        weight = 1.0 if quants else min(1.0, 3 * i / steps)
        params, average, state, (squared, geometry) = step(params, average, state, jax.random.fold_in(jax.random.key(seed), i), weight)
        recent.append(np.append(geometry, squared))
        if (i + 1) % 100 == 0 or i + 1 == steps:
            *fields, squared = np.mean(recent, axis=0)
            psnr = 10 * np.log10((255 * UNIT) ** 2 / squared)
            errors = " ".join(f"{v:.4f}" for v in fields)
            print(f"{note} {i + 1}/{steps}: training PSNR {psnr:.2f} dB, fields {errors}, {time.time() - started:.0f} s", flush=True)
            recent = []
    return average


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
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--fine-tune", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, default=HERE / "imagine")
    args = parser.parse_args()

    params = train(start(), args.steps, 0.015, args.batch, 12, None, "float")
    code, *_ = make_batch(jax.random.key(13), 256)
    quants = quantise.calibrate(LAYERS, params, {"code": code}, {"code": Quant(UNIT, 0)})
    params = train(params, args.fine_tune, 0.002, args.batch, 14, quants, "int8")

    header = {
        "name": "imagine", "version": "1.0.0", "license": "Apache-2.0",
        "description": "Paints a small picture of one shape from a short prompt and a seed.",
        # A checkpoint at the end of each half of the graph. The first half ends with a picture of half the size.
        "checkpoint_interval": 11, "task": prompt.TASK,
    }
    package = quantise.export(args.out, header, [("code", (1, 1, INPUTS))], LAYERS, params, quants)
    prompt.write_cases(args.out)

    pictures = judge.paint(package, [prompt.encode(prompt.parse(text), seed) for seed, text in enumerate(CONTACT)])
    Image.fromarray(scenes.sheet(pictures.repeat(2, axis=1).repeat(2, axis=2), 6)).save(args.out / "contact_sheet.png", optimize=True)

    (args.out / "measured.json").write_text(json.dumps(judge.measure(package), indent=1) + "\n")
    print((args.out / "measured.json").read_text())


if __name__ == "__main__":
    main()
