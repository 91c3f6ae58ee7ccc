"""A guess at the language of a text, by script and function words. Pure; no score depends on it."""

import re
from typing import Final

UNKNOWN: Final = "und"
SCRIPTS: Final = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\u1100-\u11ff\uac00-\ud7a3]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
}
LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]+")
LETTERS: Final = re.compile(r"[^\W\d_]")
FUNCTION_WORDS: Final = {
    "en": "a the and is are was of to in it that this you your i my for with not have on what be do but so "
    "we they he she at from as an if or no can will just how why who when there their our me him her been",
    "es": "el la los las que y es una un por para con no se lo como pero muy yo tu del al esta este son "
    "soy eres mi su porque cuando nos hay todo gracias",
    "fr": "le la les des et est une un que qui pas pour dans ce cette je tu il nous vous ne sur avec mais "
    "du au sont suis es mon ton son tout merci",
    "de": "der die das und ist ein eine nicht ich du er sie es wir ihr zu den dem mit auf von aber wie was "
    "in bist bin sind hat habe auch so dass danke",
    "it": "il lo la gli le che e non di un una per con sono sei del della ma come mi ti si questo questa "
    "in anche grazie",
    "pt": "o a os as que e um uma para com mas por se eu voc\u00ea ele ela muito isso esta este s\u00e3o "
    "do da no na como obrigado n\u00e3o",
    "nl": "de het een en is niet dat ik je jij van op te met voor zijn maar wat hoe deze dit ook bent "
    "in dank",
}
BY_WORD: Final[dict[str, tuple[str, ...]]] = {
    word: tuple(code for code, words in FUNCTION_WORDS.items() if word in words.split())
    for word in " ".join(FUNCTION_WORDS.values()).split()
}


def detect(text: str) -> str:
    """The likeliest language's code, or `und` where nothing tells."""
    if not text.isascii():
        letters = len(LETTERS.findall(text))
        for code, script in SCRIPTS.items():
            # Japanese mixes its own letters with Chinese ones, so that a fifth of a text decides
            if letters and len(script.findall(text)) * 5 >= letters:
                return code
    votes = dict.fromkeys(FUNCTION_WORDS, 0)
    for word in LATIN.findall(text.lower()):
        for code in BY_WORD.get(word, ()):
            votes[code] += 1
    return max(FUNCTION_WORDS, key=votes.__getitem__) if any(votes.values()) else UNKNOWN
