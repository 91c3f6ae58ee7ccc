"""How a text is written, as a few numbers: length, case, punctuation, persons. Knows no label and no weight.

Read off the cleaned text alone, and off nothing that could tell how its source encoded it: no entities,
no line ends, no count of characters outside ASCII. Features of this kind: Cheng et al. 2015, "Antisocial
Behavior in Online Discussion Communities"; Nobata et al. 2016, "Abusive Language Detection".
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import log1p
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# the same for ASCII, in a third of the time: what is neither letter nor apostrophe parts words
_PARTING: Final = {code: " " for code in range(128) if not (chr(code).isalpha() or chr(code) == "'")}
# Of bounded repetitions, and without one before a condition: no text takes more than linear time.
_LINK: Final = re.compile(r"https?://|www\.|\b[a-z0-9-]{1,63}\.(?:com|org|net|edu|gov|io|co\.uk)\b")
# no link is without one of these, and looking for them takes a tenth of the time
_LINK_MARKS: Final = ("://", "www.", ".com", ".org", ".net", ".edu", ".gov", ".io", ".co.uk")
_STRETCHED: Final = re.compile(r"([a-z])\1\1")
_SENTENCE: Final = re.compile(r"[.!?](?=[\s\"')\]]|$)")
_NUMBER: Final = re.compile(r"\d+")
_DIGITS: Final = b"0123456789"
_CAPITALS: Final = bytes(range(ord("A"), ord("Z") + 1))
_LETTERS: Final = _CAPITALS + _CAPITALS.lower()
_CAPITAL_RUN: Final = re.compile(r"[A-Z]+")
# of ASCII: capitals, other characters of words, and what parts them
_CASES: Final = bytes(
    ord("A") if chr(code).isupper() else ord("w") if chr(code).isalnum() or chr(code) == "_" else ord(" ")
    for code in range(128)
) + bytes(128)
_SHOUTED: Final = re.compile(b" AA+(?= )")
_OTHER_SIGNS: Final = b"~^=$@+>"
LONG, SHORT = 8, 3  # characters of a word

_CLASSES: Final = {
    "first_person": "i me my mine myself i'm i've i'd i'll im ive",
    "first_plural": "we us our ours ourselves we're we've we'd we'll",
    "second_person": "you your yours yourself yourselves you're you've you'd you'll ya u ur youre",
    "third_person": "he she him her his hers himself herself they them their theirs they're he's she's",
    "profanity": (
        "ass asses asshole assholes bastard bastards bitch bitches bitching bollocks bullshit crap crappy "
        "cunt cunts damn damned dick dicks dickhead dumbass fuck fucked fucker fuckers fuckin fucking "
        "fucks goddamn hell horseshit jackass motherfucker motherfucking piss pissed prick pricks shit "
        "shits shitty shitting slut sluts tits twat wank wanker whore whores wtf bs cock cocks fap jizz "
        "dildo boobs penis pussy"
    ),
    "insult": (
        "idiot idiots idiotic moron morons moronic stupid stupidity dumb retard retarded retards loser "
        "losers pathetic ignorant clown clowns fool fools trash scum disgusting braindead imbecile "
        "imbeciles liar liars"
    ),
    "laughter": "lol lmao rofl haha hahaha hahahaha hehe lmfao xd ha heh lulz",
    "negation": (
        "not no never none nothing nobody nor neither cannot can't don't doesn't didn't won't isn't "
        "aren't wasn't weren't wouldn't shouldn't couldn't haven't hasn't hadn't ain't"
    ),
    "question_word": "what why how who when where which whose whom",
    "hedge": (
        "maybe perhaps probably possibly might could seems seem apparently likely guess suppose "
        "presumably may would should"
    ),
    "connective": (
        "however therefore although though because since while whereas thus hence moreover furthermore "
        "nevertheless unless whether if but"
    ),
    "politeness": "thanks thank please sorry appreciate grateful welcome kudos congratulations congrats",
}
# by word, the number of its class, from 1 on
_CLASS_OF: Final = {
    word: number for number, words in enumerate(_CLASSES.values(), 1) for word in words.split()
}
_QUESTIONS: Final = (
    "what why how who when where which whose is are am was were do does did can could will would should has "
    "have isn't aren't don't doesn't didn't can't couldn't won't wouldn't shouldn't wait so any anyone"
)
_ASKING: Final = frozenset(_QUESTIONS.split())
# Typographic marks count as those of a typewriter: which of the two a source kept says nothing of style.
_PLAIN: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2026": "...",
        "\u2013": "-",
        "\u2014": "-",
    }
)

# What the numbers of `style` are, in their order. A bundle names those that it was trained with: whoever
# changes what one means gives it another name, so that older bundles are refused and not misread.
FEATURES: Final = (
    "length",
    "words",
    "word_length",
    "longest_word",
    "sentences",
    "sentence_words",
    "distinct_words",
    "distinct_share",
    "long_words",
    "short_words",
    "capitals",
    "shouted_words",
    "capitalised_words",
    "starts_in_lower_case",
    "exclamations",
    "questions",
    "ellipses",
    "commas",
    "full_stops",
    "colons",
    "brackets",
    "quotes",
    "dashes",
    "slashes",
    "stars",
    "apostrophes",
    "other_signs",
    "links",
    "numbers",
    "digits",
    "per_cents",
    "stretched_letters",
    "asks_at_first",
    "ends_in_question",
    "ends_in_exclamation",
    "ends_in_letter",
    *_CLASSES,
)
# Standard deviations from the mean at which a feature ends: no text is stranger than that.
LIMIT: Final = 4.0


@dataclass(frozen=True)
class StyleWeights:
    """What each feature adds to a logit, in proportion to how far it is from the learning rows' mean.

    Attributes:
        mean: of the learning rows, shape (len(FEATURES),), as are the others.
        scale: one by the standard deviation; 0 where all learning rows were the same.
        coefficients: calibration included.

    """

    mean: Floats
    scale: Floats
    coefficients: Floats

    def contributions(self, text: str) -> Floats:
        """What each feature of a cleaned text adds to the logit, shape (len(FEATURES),)."""
        return standardised(style(text), self.mean, self.scale) * self.coefficients


def standardised(features: Floats, mean: Floats, scale: Floats) -> Floats:
    """Features (shape (…, len(FEATURES))) in standard deviations from the mean, held within the limit."""
    moved = (features - mean) * scale
    return np.minimum(np.maximum(moved, -LIMIT, out=moved), LIMIT, out=moved)


def style(text: str) -> Floats:
    """The features of a cleaned text, shape (len(FEATURES),)."""
    if not text.isascii():
        text = text.translate(_PLAIN)
    lower = text.lower()
    words = _words(lower)
    plain = text.encode("ascii", "ignore")
    return np.array(
        (
            *_sizes(text, words),
            *_case(text, plain, len(words) or 1),
            *_signs(plain, len(words) or 1),
            *_numbers(text, lower, plain),
            *_ends(text, words),
            *_classes(words),
        )
    )


def _words(lower: str) -> list[str]:
    if not lower.isascii():
        return _WORD.findall(lower)
    parted = lower.translate(_PARTING)
    if "'" in parted:
        # an apostrophe is of a word only between two of its letters
        parted = f" {parted} ".replace("''", "  ").replace(" '", "  ").replace("' ", "  ")
    return parted.split()


def _sizes(text: str, words: list[str]) -> tuple[float, ...]:
    lengths = sorted(map(len, words))
    number, distinct = len(words), len(set(words))
    each = number or 1
    sentences = len(_SENTENCE.findall(text)) or 1
    return (
        log1p(len(text)),
        log1p(number),
        sum(lengths) / each,
        lengths[-1] if lengths else 0,
        log1p(sentences),
        log1p(number / sentences),
        log1p(distinct),
        distinct / each,
        (number - bisect_left(lengths, LONG)) / each,
        bisect_right(lengths, SHORT) / each,
    )


def _case(text: str, plain: bytes, words: int) -> tuple[float, ...]:
    capitals = len(plain) - len(plain.translate(None, _CAPITALS))
    letters = len(plain) - len(plain.translate(None, _LETTERS))
    capitalised, shouted = _capital_words(text) if capitals else (0, 0)
    return capitals / (letters or 1), log1p(shouted), capitalised / words, float(text[:1].islower())


def _capital_words(text: str) -> tuple[int, int]:
    """How many words begin with a capital, and how many are two or more of them and nothing else."""
    if text.isascii():
        cases = b" %b " % text.encode().translate(_CASES)
        return cases.count(b" A"), len(_SHOUTED.findall(cases)) if b" AA" in cases else 0
    capitalised = shouted = 0
    for start, end in map(re.Match.span, _CAPITAL_RUN.finditer(text)):
        if not start or not _in_word(text[start - 1]):
            capitalised += 1
            shouted += end - start > 1 and not (end < len(text) and _in_word(text[end]))
    return capitalised, shouted


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _signs(plain: bytes, words: int) -> tuple[float, ...]:
    count = plain.count
    return (
        log1p(count(b"!")),
        log1p(count(b"?")),
        log1p(count(b"...")),
        count(b",") / words,
        count(b".") / words,
        log1p(count(b";") + count(b":")),
        log1p(count(b"(") + count(b"[")),
        log1p(count(b'"')),
        log1p(count(b"-")),
        log1p(count(b"/")),
        log1p(count(b"*") + count(b"_") + count(b"#")),
        count(b"'") / words,
        log1p(len(plain) - len(plain.translate(None, _OTHER_SIGNS))),
    )


def _numbers(text: str, lower: str, plain: bytes) -> tuple[float, ...]:
    some = len(plain) != len(plain.translate(None, _DIGITS)) or not text.isascii()
    digits = _NUMBER.findall(text) if some else []
    return (
        log1p(len(_LINK.findall(lower)) if _may_have_links(lower) else 0),
        log1p(len(digits)),
        sum(map(len, digits)) / (len(text) or 1),
        log1p(text.count("%")),
        log1p(len(_STRETCHED.findall(lower))),
    )


def _may_have_links(lower: str) -> bool:
    for mark in _LINK_MARKS:  # noqa: SIM110 - `any` makes a generator, which takes longer than the looking
        if mark in lower:
            return True
    return False


def _ends(text: str, words: list[str]) -> tuple[float, ...]:
    last = text[-1:]
    return (
        float(bool(words) and words[0] in _ASKING),
        float(last == "?"),
        float(last == "!"),
        float(last.isalnum()),
    )


def _classes(words: list[str]) -> list[float]:
    found = [0.0] * len(_CLASSES)
    for number in filter(None, map(_CLASS_OF.get, words)):
        found[number - 1] += 1.0
    return [*map(log1p, found)]
