"""Encodes a prompt and a seed as the input of `imagine`. The rules are data in `model.json` (`task`). This is the reference
implementation: other clients are tested against its answers in `imagine/prompts.json` and `imagine/rejected.json`.

    python prompt.py "a large red star on blue" 7        prints the input as JSON
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np

LATENTS = 20
WORDS = {
    "shape": {
        "circle": ["disc", "disk", "ball"], "square": ["box"], "triangle": [], "star": [], "ring": ["donut", "doughnut", "hoop"],
        "cross": ["plus"], "heart": [], "moon": ["crescent"],
    },
    "colour": {
        "red": ["crimson", "scarlet"], "orange": [], "yellow": ["gold", "golden"], "green": [], "teal": ["cyan", "turquoise"],
        "blue": [], "purple": ["violet"], "pink": ["rose"], "white": [], "black": [],
    },
    "size": {"small": ["little", "tiny"], "medium": [], "large": ["big", "huge"]},
    "horizontal": {"left": [], "centre": ["center", "centred", "centered"], "right": []},
    "vertical": {"top": ["upper"], "middle": [], "bottom": ["lower"]},
    "pattern": {"plain": [], "striped": ["stripes", "stripy"], "dotted": ["dots", "spotted"], "rays": ["sunburst"]},
    "finish": {"glossy": ["shiny"], "flat": ["matte"], "glowing": ["neon"]},
}


def vocabulary():
    """One entry per input position. A colour word has two positions: the shape's, and the background's."""
    entries = []
    for group, words in WORDS.items():
        for name in (group, "background") if group == "colour" else (group,):
            for word, synonyms in words.items():
                entries.append({"word": word, "index": len(entries), "synonyms": synonyms, "group": name})
    return entries


VOCABULARY = vocabulary()
TASK = {
    "kind": "imagine", "width": 64, "height": 64, "on": 64,
    "latent": {"count": LATENTS, "tag": "ionet-latent"},
    "vocabulary": VOCABULARY,
    "defaults": {
        "shape": "star", "colour": "yellow", "background": "teal", "size": "medium", "horizontal": "centre", "vertical": "middle",
        "pattern": "plain", "finish": "glossy",
    },
    "stop_words": [
        "a", "an", "and", "at", "color", "colored", "colour", "coloured", "corner", "draw", "image", "in", "is", "it", "of", "picture",
        "shape", "side", "the", "to", "with",
    ],
    "rebind": {
        "from": "colour", "to": "background", "after": ["on", "against", "over"], "before": ["background", "backdrop"],
        "barrier": "shape", "cancel": ["horizontal", "vertical"], "otherwise": {"colour": "purple", "background": "white"},
    },
}


class PromptError(ValueError):
    pass


def parse(prompt, task=TASK):
    """The chosen word of every group.

    Words are runs of the letters a–z of the lower-cased prompt, read in order. Stop words are skipped. A word of
    `rebind.from` (a colour) is taken for `rebind.to` (the background) in two cases:

    * it is the first one after a word of `after` ("on blue"), unless a word of a `cancel` group came between
      ("on the left, a red star" is about the left);
    * a word of `before` follows it with no word of the `barrier` group between ("blue striped background").

    A word of `before` that finds no such colour, while no background is given yet, acts like a word of `after`
    ("background: blue").

    Groups that the prompt does not mention take their word of `defaults`. If that gives shape and background the same colour
    although the prompt names only one of them, the other takes its word of `rebind.otherwise`.
    """
    rule = task["rebind"]
    groups = {}
    for entry in task["vocabulary"]:
        for word in [entry["word"], *entry["synonyms"]]:
            if entry["group"] != rule["to"]:
                groups[word] = (entry["group"], entry["word"])
    chosen = []  # [group, word], in the order of the prompt
    pending, last = False, None  # whether the next colour is the background's; index of the colour that a `before` word would rebind
    for word in re.findall("[a-z]+", prompt.lower()):
        if word in task["stop_words"]:
            continue
        if word in rule["after"]:
            pending = True
        elif word in rule["before"]:
            if last is None:
                pending = not any(group == rule["to"] for group, _ in chosen)
            else:
                chosen[last][0], last = rule["to"], None
        elif word in groups:
            group, name = groups[word]
            if group == rule["from"]:
                if pending:
                    chosen.append([rule["to"], name])
                    pending, last = False, None
                else:
                    chosen.append([group, name])
                    last = len(chosen) - 1
            else:
                chosen.append([group, name])
                if group == rule["barrier"]:
                    last = None
                if group in rule["cancel"]:
                    pending = False
        else:
            raise PromptError(f"the model does not know the word \"{word}\"")
    if not chosen:
        raise PromptError("the prompt has no word that describes the picture")
    result = {}
    for group, name in chosen:
        if result.setdefault(group, name) != name:
            raise PromptError(f"the prompt gives two words for {group}: \"{result[group]}\" and \"{name}\"")
    choice = task["defaults"] | result
    if choice[rule["from"]] == choice[rule["to"]]:
        for group in (rule["from"], rule["to"]):
            if group not in result:
                choice[group] = rule["otherwise"][group]
    return choice


def latent(seed, task=TASK):
    """`count` codes, nearly normal with sigma 32: the sum of eight hash bytes, centred and scaled in integers."""
    codes = []
    for i in range(task["latent"]["count"]):
        digest = hashlib.sha256(task["latent"]["tag"].encode() + seed.to_bytes(8, "little") + i.to_bytes(4, "little")).digest()
        codes.append(max(-128, min(127, (sum(digest[:8]) - 1020) * 39 // 256)))
    return codes


def encode(choice, seed, task=TASK):
    """The model's input: `on` at the position of each chosen word, 0 at the other words, then the latent."""
    hot = [task["on"] if choice[entry["group"]] == entry["word"] else 0 for entry in task["vocabulary"]]
    return np.array(hot + latent(seed, task), np.int8).reshape(1, 1, -1)


ACCEPTED = [
    ("a large red circle at the top left on a blue background", 1), ("small yellow star on black", 2),
    ("a pink heart on a purple dotted background", 3), ("white moon, black background", 4), ("a glowing teal ring over a black backdrop", 5), ("blue striped background with an orange cross", 6),
    ("on blue a red square", 7), ("on the left a green triangle, on white", 8), ("Background: yellow. Big violet ball at the bottom right.", 9),
    ("flat matte black square on a sunburst orange background", 10), ("star", 0), ("a star on yellow", 5), ("red red star", 18446744073709551615), ("a golden crescent", 12),
    ("a neon pink doughnut in the lower right corner against purple", 13), ("tiny cyan plus, upper centre, white background", 14),
    ("the background is green with stripes and the heart is red", 15), ("a shiny orange box in the middle of a plain teal background", 16),
    ("draw a picture of a huge white star on rays of red", 17), ("medium purple triangle centered on yellow with dots", 18), ("a teal circle", 4294967296),
]
REJECTED = [
    ("a red elephant", "elephant"), ("a red and green star", "green"), ("a circle square", "square"), ("", ""), ("the of a", ""),
    ("a star on blue on red", "red"), ("large small heart", "small"), ("stars", "stars"),
]


def write_cases(folder):
    cases = [{"prompt": p, "seed": s, "input": encode(parse(p), s).ravel().tolist()} for p, s in ACCEPTED]
    for p, word in REJECTED:
        try:
            parse(p)
        except PromptError as error:
            if word not in str(error):
                raise AssertionError(f"the error for {p!r} does not name {word!r}: {error}") from error
        else:
            raise AssertionError(f"{p!r} should be rejected")
    lines = ",\n".join(" " + json.dumps(case) for case in cases)
    (Path(folder) / "prompts.json").write_text(f"[\n{lines}\n]\n")
    lines = ",\n".join(" " + json.dumps({"prompt": p, "names": word}) for p, word in REJECTED)
    (Path(folder) / "rejected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    print(json.dumps(encode(parse(sys.argv[1]), int(sys.argv[2])).ravel().tolist()))
