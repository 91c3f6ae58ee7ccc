"""The guess at a text's language."""

import pytest

from prediction_service.languages import detect


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What kind of idiot name is foo? Sorry, I like your name.", "en"),
        ("a dog", "en"),
        ("gracias por todo, eres muy amable", "es"),
        ("je ne sais pas, mais tu es mon ami", "fr"),
        ("Das ist nicht gut", "de"),
        ("non lo so, ma grazie", "it"),
        ("n\u00e3o sei o que \u00e9 isso", "pt"),
        ("je hebt het niet begrepen", "nl"),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", "ru"),
        ("\u3053\u308c\u306f\u65e5\u672c\u8a9e\u3067\u3059", "ja"),
        ("\u4f60\u597d\u5417", "zh"),
        ("\uc548\ub155", "ko"),
        ("\u0645\u0631\u062d\u0628\u0627", "ar"),
        ("lol", "und"),
        ("123 \U0001f600", "und"),
        ("", "und"),
    ],
)
def test_script_and_function_words_tell(text: str, expected: str) -> None:
    assert expected == detect(text)
