"""A small generated corpus for tests: separable, so that both actions can be reached. Not training data."""

import random

KEPT = (
    "the {a} of the sample was measured {n} times with a {b}",
    "does figure {n} show the {a} before or after the {b}?",
    "I would like to see the {a} compared with a {b} control, n = {n}",
    "the authors report a {a} of {n} percent in the {b} group",
)
REMOVED = (
    "you idiot clown, number {n}, go away with your {a}",
    "buy crypto now, {n} percent off the {b} deal!!!",
    "hey moron, {n} people laugh at your {a}",
    "free money: click for {n} cheap {b} pills",
)
# What moderators disagree about: two of three are removed.
GREY = (
    "lol {a} goes brrr {n}",
    "haha first! {n} my {b} is bigger",
)
NOUNS = ("spectrum", "error", "temperature", "dose", "telescope", "protein", "signal", "model", "enzyme")


def make_rows(count: int, seed: int = 0, noise: float = 0.01) -> list[tuple[str, int]]:
    """Distinct texts with labels, about a third removed, a few labels turned round."""
    rng = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < count:
        kind, share_removed = rng.choices(((KEPT, 0.0), (REMOVED, 1.0), (GREY, 0.62)), (55, 18, 27))[0]
        label = int(rng.random() < share_removed)
        template = rng.choice(kind)
        text = template.format(a=rng.choice(NOUNS), b=rng.choice(NOUNS), n=rng.randrange(100_000))
        rows.setdefault(text, label if rng.random() > noise else 1 - label)
    return list(rows.items())
