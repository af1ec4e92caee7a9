"""Names of things and colours that scenes may hold: what a question may ask about in vain, and what a tokenizer must know."""

from __future__ import annotations

# A kind and what it is called, the usual noun first. Nouns of different kinds never mean the same thing.
NOUNS: dict[str, tuple[str, ...]] = {
    "carrot": ("carrot",),
    "plate": ("plate",),
    "block": ("block", "cube"),
    "spoon": ("spoon",),
    "towel": ("towel", "cloth"),
    "eggplant": ("eggplant",),
    "basket": ("basket",),
    "mug": ("mug", "cup"),
    "ball": ("ball",),
    "bowl": ("bowl",),
    "can": ("tin can",),
    "banana": ("banana",),
    "bottle": ("bottle",),
    "fork": ("fork",),
    "apple": ("apple",),
    "lemon": ("lemon",),
    "pot": ("pot", "cooking pot"),
    "jar": ("jar",),
    "vase": ("vase",),
    "book": ("book",),
    "candle": ("candle",),
    "mushroom": ("mushroom",),
    "lamp": ("lamp",),
    "hammer": ("hammer",),
    "cone": ("cone",),
    "pyramid": ("pyramid",),
    "tray": ("tray",),
    "crate": ("crate",),
    "pan": ("pan", "frying pan"),
}
PLURALS = {"box": "boxes", "cloth": "cloths", "brush": "brushes"}
NATURAL: dict[str, tuple[str, ...]] = {
    "carrot": ("orange",),
    "banana": ("yellow",),
    "eggplant": ("purple",),
    "apple": ("red", "green"),
    "lemon": ("yellow",),
    "mushroom": ("brown", "white", "red"),
}
"""Kinds whose colour is theirs by nature: `the carrot`, seldom `the orange carrot`."""

RECEIVERS: dict[str, str] = {
    "plate": "on", "towel": "on", "basket": "in", "bowl": "in", "tray": "on", "crate": "in", "pan": "in", "book": "on", "block": "on",
}  # fmt: skip
"""Kinds that a smaller thing may be put on or in."""

# Colours nobody would confuse with the first: what a wrong colour may be. Colours that things of the first often carry in
# part (a carrot's leaves, an eggplant's cap, a towel's stripes) are left out.
FAR: dict[str, tuple[str, ...]] = {
    "red": ("green", "blue", "yellow", "white", "black"),
    "orange": ("blue", "purple", "black", "white"),
    "yellow": ("blue", "red", "purple", "black"),
    "green": ("red", "purple", "orange", "white"),
    "blue": ("red", "yellow", "orange", "green"),
    "purple": ("yellow", "orange", "white"),
    "pink": ("green", "blue", "black", "yellow"),
    "white": ("red", "green", "black", "orange", "purple"),
    "black": ("red", "yellow", "white", "green"),
    "brown": ("blue", "white", "purple", "green"),
    "grey": ("red", "yellow", "green", "orange"),
}
COLOURS = tuple(FAR)


def phrases(kind: str, colour: str) -> tuple[str, ...]:
    """What a thing of that kind and colour is called, the usual name first; without a colour by its kind alone."""
    nouns = NOUNS.get(kind, (kind,))
    if not colour:
        return nouns
    coloured = tuple(f"{colour} {noun}" for noun in nouns)
    return (*nouns, *coloured) if kind in NATURAL else (*coloured, *nouns)


def plural(noun: str) -> str:
    """The plural of a noun of `NOUNS`."""
    return PLURALS.get(noun, noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s"))


def with_article(phrase: str) -> str:
    """`a mug`, `an apple`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
