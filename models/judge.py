"""The judge of `imagine`: a small classifier, trained only on renders, that guesses the words a picture shows.

    python judge.py imagine            trains the judge and measures a package again
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import quantise
import scenes
from reference import Package

HEADS = {group: len(ix) for group, ix in scenes.GROUPS.items()}
STEPS, BATCH = 1200, 48
STAGES = [(3, 24, 2), (24, 48, 2), (48, 64, 1), (64, 96, 2)]  # channels in, channels out, stride: 64 pixels become 8


def init(seed):
    rng = np.random.default_rng(seed)
    he = lambda *shape: jnp.asarray(rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape), jnp.float32)
    features = 96 + 4 * 4 * 96
    return {
        "convs": [(he(3, 3, a, b), jnp.zeros(b)) for a, b, _ in STAGES],
        "heads": {group: (he(features, n) * 0.1, jnp.zeros(n)) for group, n in HEADS.items()},
    }


def logits(params, pictures):
    """For pictures with samples in [0, 1]. The maximum of a feature tells what is in the picture, and its 4×4 cells tell where."""
    x = pictures * 4 - 2
    for (w, b), (_, _, stride) in zip(params["convs"], STAGES, strict=True):
        x = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b)
    n, h, w, c = x.shape
    cells = x.reshape(n, 4, h // 4, 4, w // 4, c).mean(axis=(2, 4)).reshape(n, -1)
    x = jnp.concatenate([x.max(axis=(1, 2)), cells], axis=1)
    return {group: x @ w + b for group, (w, b) in params["heads"].items()}


def train(seed):
    schedule = optax.cosine_decay_schedule(2e-3, STEPS)
    optimiser = optax.adam(schedule)
    params = init(seed)
    state = optimiser.init(params)

    def loss_of(params, key):
        scene_key, noise_key = jax.random.split(key)
        codes, picks = scenes.sample_codes(scene_key, BATCH)
        pictures = scenes.render(codes)
        pictures = pictures + 0.02 * jax.random.normal(noise_key, pictures.shape)
        out = logits(params, pictures)
        return sum(optax.softmax_cross_entropy_with_integer_labels(out[group], picks[group]).mean() for group in HEADS)

    @jax.jit
    def step(params, state, key):
        updates, state = optimiser.update(jax.grad(loss_of)(params, key), state)
        return optax.apply_updates(params, updates), state

    for i in range(STEPS):
        params, state = step(params, state, jax.random.fold_in(jax.random.key(seed), i))
    return params


def paint(package, codes):
    """Pictures from the integer model as u8 `[n, 64, 64, 3]`."""
    return np.stack([package.run(np.asarray(code, np.int8).reshape(1, 1, -1)).astype(np.int16) + 128 for code in codes]).astype(np.uint8)


def measure(package, count=500):
    """Measures pictures of random prompts and latents: their distance to the renders, and the share in which the judge sees each word.

    `renders` is the judge's accuracy on true renders of the same codes, `model` that on the integer model's pictures. "all" means
    that every group is right. Pictures whose shape and background have the same colour are not judged, because nobody could tell.
    """
    codes, picks = scenes.sample_codes(jax.random.key(15), count)
    truth, made = np.asarray(scenes.render(codes)), paint(package, codes) / np.float32(255)
    clear = np.asarray(picks["colour"] != picks["background"])
    report = {
        "macs_per_unit": quantise.macs(package),
        "pictures": count,
        "psnr_to_render_median": float(np.median(-10 * np.log10(np.mean((truth - made) ** 2, axis=(1, 2, 3))))),
        "judged": int(clear.sum()),
    }
    params = train(21)
    for name, pictures in (("renders", truth), ("model", made)):
        answers = logits(params, jnp.asarray(pictures))
        right = {group: np.asarray(answers[group].argmax(axis=1) == picks[group])[clear] for group in HEADS}
        report[name] = {group: round(float(v.mean()), 4) for group, v in right.items()}
        report[name]["all"] = round(float(np.all(list(right.values()), axis=0).mean()), 4)
    return report


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "measured.json").write_text(json.dumps(measure(Package(folder)), indent=1) + "\n")
    print((folder / "measured.json").read_text())
