"""The scenes that `imagine` learns to paint: a renderer in JAX that takes the same input codes as the model.

`render` maps input codes to pictures deterministically. The prompt positions choose what is shown, and the latent codes
determine everything else (exact position, rotation, tint, light, clouds), so a network can be trained to reproduce
pictures instead of averages.
"""

import jax
import jax.numpy as jnp
import numpy as np

from prompt import LATENTS, VOCABULARY, WORDS

SIZE = 64
GROUPS = {group: [e["index"] for e in VOCABULARY if e["group"] == group] for group in dict.fromkeys(e["group"] for e in VOCABULARY)}
PALETTE = jnp.array([
    [0.87, 0.17, 0.19], [0.97, 0.52, 0.10], [0.99, 0.83, 0.20], [0.22, 0.66, 0.31], [0.10, 0.68, 0.68],
    [0.17, 0.37, 0.87], [0.51, 0.25, 0.76], [0.97, 0.56, 0.74], [0.95, 0.95, 0.93], [0.11, 0.11, 0.14],
])
RADIUS = jnp.array([0.22, 0.36, 0.53])  # of the half width


def sample_codes(key, count):
    """Random inputs: one word of each group, and latent codes with the distribution of `prompt.latent`. Shape [count, D], int."""
    keys = jax.random.split(key, len(GROUPS) + 2)
    picks = {group: jax.random.randint(k, (count,), 0, len(ix)) for (group, ix), k in zip(GROUPS.items(), keys)}
    # Shape and background share a colour only one time in twenty.
    n = len(PALETTE)
    other = (picks["colour"] + jax.random.randint(keys[-2], (count,), 1, n)) % n
    picks["background"] = jnp.where(jax.random.uniform(keys[-2], (count,)) < 0.05, picks["background"], other)
    hot = jnp.concatenate([jax.nn.one_hot(picks[group], len(ix), dtype=jnp.int32) * 64 for group, ix in GROUPS.items()], axis=1)
    total = jax.random.randint(keys[-1], (count, LATENTS, 8), 0, 256).sum(axis=2)
    latent = jnp.clip((total - 1020) * 39 // 256, -128, 127)
    return jnp.concatenate([hot, latent], axis=1), picks


def length(x, y):
    return jnp.sqrt(x * x + y * y + 1e-9)


def star(x, y, r, inner):
    """Signed distance to a five-pointed star, by folding the plane into half of one arm."""
    angle = jnp.pi / 5
    a = jnp.arctan2(x, -y)
    a = jnp.abs((a + angle) % (2 * angle) - angle)
    rho = jnp.sqrt(x * x + y * y + 1e-9)
    px, py = rho * jnp.cos(a), rho * jnp.sin(a)
    # The edge runs from the tip (r, 0) to the notch at `angle`.
    qx, qy = inner * r * jnp.cos(angle), inner * r * jnp.sin(angle)
    ex, ey = qx - r, qy
    t = jnp.clip(((px - r) * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
    d = jnp.sqrt((px - r - t * ex) ** 2 + (py - t * ey) ** 2 + 1e-9)
    return d * jnp.sign((px - r) * -ey + py * ex) * -1


def box(x, y, w, h):
    dx, dy = jnp.abs(x) - w, jnp.abs(y) - h
    return jnp.sqrt(jnp.maximum(dx, 0) ** 2 + jnp.maximum(dy, 0) ** 2 + 1e-9) + jnp.minimum(jnp.maximum(dx, dy), 0)


def triangle(x, y, r):
    k = 3**0.5
    x, y = jnp.abs(x) - r, -y + r / k
    flip = x + k * y > 0
    x, y = jnp.where(flip, (x - k * y) / 2, x), jnp.where(flip, (-k * x - y) / 2, y)
    x = x - jnp.clip(x, -2 * r, 0)
    return -jnp.sqrt(x * x + y * y + 1e-9) * jnp.sign(y)


def heart(x, y, r):
    """Signed distance to a heart of unit height, scaled by `r`."""
    x, y = jnp.abs(x) / r, 0.55 - y / r
    top = jnp.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2 + 1e-9) - 2**0.5 / 4
    m = 0.5 * jnp.maximum(x + y, 0)
    low = jnp.sqrt(jnp.minimum(x**2 + (y - 1) ** 2, (x - m) ** 2 + (y - m) ** 2) + 1e-9) * jnp.sign(x - y)
    return jnp.where(x + y > 1, top, low) * r


# Signed distances to the shapes, in the order of the vocabulary.
SHAPES = [
    lambda x, y, r: length(x, y) - r * 0.95,
    lambda x, y, r: box(x, y, 0.78 * r, 0.78 * r) - 0.06 * r,
    lambda x, y, r: triangle(x, y - 0.12 * r, 0.9 * r) - 0.06 * r,
    lambda x, y, r: star(x, y, 1.05 * r, 0.48) - 0.06 * r,
    lambda x, y, r: jnp.abs(length(x, y) - 0.74 * r) - 0.25 * r,
    lambda x, y, r: jnp.minimum(box(x, y, 0.95 * r, 0.29 * r), box(x, y, 0.29 * r, 0.95 * r)) - 0.06 * r,
    lambda x, y, r: heart(x, y, 1.75 * r),
    lambda x, y, r: jnp.maximum(length(x, y) - r, 0.82 * r - length(x - 0.48 * r, y + 0.14 * r)),
]


def turn_hue(rgb, angle):
    """Rotates colours about the grey axis."""
    grey = rgb.mean()
    cross = (jnp.roll(rgb, 1) - jnp.roll(rgb, -1)) / 3**0.5
    return grey + (rgb - grey) * jnp.cos(angle) + cross * jnp.sin(angle)


def mix(a, b, t):
    return a + (b - a) * t


def render_one(code):
    """The picture of one code, and the smooth fields that it is made of (see `render_fields`)."""
    pick = {group: jnp.argmax(code[jnp.array(ix)]) for group, ix in GROUPS.items()}
    u = jnp.clip(code[-LATENTS:] / 64.0, -1, 1)  # two sigma reach the ends
    dx, dy, rot, grow, fg_hue, fg_light, bg_hue, bg_light, light_x, light_y, phase, tilt, depth = u[:13]
    clouds = u[13:]

    axis = (jnp.arange(SIZE) + 0.5) / SIZE * 2 - 1
    gx, gy = jnp.meshgrid(axis, axis)
    pixel = 2 / SIZE
    r = RADIUS[pick["size"]] * (1 + 0.08 * grow)
    reach = jnp.minimum(0.5, 0.93 - r)
    cx = (pick["horizontal"] - 1) * reach + 0.06 * dx
    cy = (pick["vertical"] - 1) * reach + 0.06 * dy
    px, py = gx - cx, gy - cy
    cos, sin = jnp.cos(0.3 * rot), jnp.sin(0.3 * rot)
    # Light comes from the upper left, more or less.
    lx, ly = -0.6 + 0.45 * light_x, -0.75 + 0.25 * light_y

    def distance(x, y):
        return jax.lax.switch(pick["shape"], SHAPES, x * cos + y * sin, y * cos - x * sin, r)

    # Background: a sky that is lighter above, slow clouds of light and of hue, then the pattern.
    base = jnp.clip(turn_hue(PALETTE[pick["background"]], 0.16 * bg_hue) * (1 + 0.10 * bg_light), 0, 1)
    light = -0.10 * gy + 0.05 * clouds[0] * jnp.sin(2.0 * gx + 1) + 0.05 * clouds[1] * jnp.cos(2.5 * gy + 1.5 * gx)
    light = light + 0.05 * clouds[2] * jnp.sin(3.0 * gx - 2.0 * gy + 2 * clouds[3])
    tint = clouds[4] * jnp.array([0.06, 0.0, -0.06]) * (gx + gy)[..., None] + clouds[5] * jnp.array([-0.04, 0.05, -0.02]) * (gx - gy)[..., None]
    back = base * (1 + light[..., None]) + 0.35 * light[..., None] + tint

    # A pattern is a smooth signal in [-1, 1]. `sharpness` sets how quickly it changes from one colour to the other.
    def striped():
        along = gx * jnp.cos(0.8 + 0.25 * tilt) + gy * jnp.sin(0.8 + 0.25 * tilt)
        return jnp.sin(4 * jnp.pi * along + 1.3 * phase), 1 / 0.6

    def dotted():
        fold = lambda v: (v * 2 - jnp.floor(v * 2) - 0.5) * 0.5
        return jnp.tanh((0.12 - length(fold(gx + 0.06 * phase), fold(gy + 0.06 * tilt))) / 0.08), 0.08 / pixel

    def rays():
        return jnp.tanh(jnp.sin(7 * jnp.arctan2(py, px) + phase) * length(px, py) / 7 / 0.06), 0.06 / pixel

    signal, sharpness = jax.lax.switch(pick["pattern"], [lambda: (jnp.full_like(gx, -1), 1.0), striped, dotted, rays])
    mask = jnp.clip(0.5 + signal * sharpness, 0, 1)
    second = jnp.where(base.mean() > 0.6, base * 0.78, mix(base, 1.0, 0.26))
    back = back + mask[..., None] * (second - base)

    # The shape. Glossy: shading, a highlight and a shadow. Flat: one colour and a fainter shadow. Glowing: a halo.
    front = jnp.clip(turn_hue(PALETTE[pick["colour"]], 0.12 * fg_hue) * (1 + 0.08 * fg_light), 0, 1)
    d = distance(px, py)

    def shadowed(strength):
        shadow = strength * jnp.clip(0.5 - distance(px + 0.09 * lx, py + 0.09 * ly) / 0.14, 0, 1)
        return shadow, back * (1 - (0.42 + 0.12 * depth) * shadow)[..., None]

    def glossy():
        slope = (px * lx + py * ly) / r
        spot = jnp.exp(-((px - 0.38 * r * lx) ** 2 + (py - 0.38 * r * ly) ** 2) / (0.26 * r) ** 2)
        rim = jnp.clip(1 + d / (0.22 * r), 0, 1)
        face = front * (1 + 0.22 * slope - 0.22 * rim**2)[..., None] + (0.06 * slope + 0.42 * spot)[..., None]
        return *shadowed(1.0), spot, face

    def flat():
        return *shadowed(0.6), jnp.zeros_like(d), jnp.broadcast_to(front, back.shape)

    def glowing():
        halo = 0.85 * jnp.exp(-jnp.maximum(d, 0) / (0.16 + 0.04 * depth))
        core = jnp.clip(-d / (0.35 * r), 0, 1)
        return halo, mix(back, mix(front, 1.0, 0.3), halo[..., None]), core, mix(front, 1.0, 0.55 * core[..., None])

    around, back, within, face = jax.lax.switch(pick["finish"], [glossy, flat, glowing])
    picture = jnp.clip(mix(back, face, jnp.clip(0.5 - d / pixel, 0, 1)[..., None]), 0, 1)
    return picture, jnp.stack([jnp.tanh(-d / 0.12), signal, around, within], axis=-1)


@jax.jit
def render_fields(codes):
    """Pictures `[n, 64, 64, 3]` with samples in [0, 1] for input codes `[n, D]`, and their fields `[n, 64, 64, 4]`.

    The fields are colour-free: signed distance to the shape (positive inside, saturating), signal of the pattern, shadow
    or halo around the shape, highlight or core within it.
    """
    return jax.lax.map(render_one, codes)  # one by one: a vmap would compute all branches of every switch


def render(codes):
    return render_fields(codes)[0]


def sheet(pictures, columns):
    """Arranges u8 pictures `[n, h, w, 3]` in a grid with thin gaps."""
    n, h, w, _ = pictures.shape
    rows, gap = -(-n // columns), 4
    out = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 250, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        out[y : y + h, x : x + w] = picture
    return out
