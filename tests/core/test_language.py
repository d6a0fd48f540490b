import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.language import guess_language, is_scorable, resolve_language

ENGLISH = frozenset({"en"})


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The new budget does nothing for people who rent https://t.co/x", "en"),
        ("Me gusta mucho esta película, es la mejor del año", "es"),
        ("Das ist wirklich sehr schlecht gewesen, nie wieder", "de"),
        ("C'est vraiment la pire journée de ma vie", "fr"),
        ("今日はとても良い天気ですね", "ja"),
        ("это просто ужасно, больше никогда", "ru"),
        ("𝗧𝗵𝗲 𝗦𝗲𝗻𝗮𝘁𝗲 𝗵𝗮𝘀 𝘃𝗼𝘁𝗲𝗱 𝗼𝗻 𝘁𝗵𝗲 𝗯𝗶𝗹𝗹 𝘁𝗼𝗱𝗮𝘆", "en"),
        ("lol", "und"),
        ("😡😡😡 123 https://t.co/abc @someone #nunca_mas", "und"),
        ("", "und"),
    ],
)
def test_guesses(text: str, language: str) -> None:
    assert guess_language(text) == language


@pytest.mark.parametrize(
    ("declared", "language"),
    [("en", "en"), ("en-GB", "en"), ("PT_br", "pt"), ("in", "id"), ("iw", "he"), (" fil ", "tl"), ("nb", "no")],
)
def test_a_declared_language_is_trusted_and_normalised(declared: str, language: str) -> None:
    assert resolve_language(declared, "Das ist ein deutscher Satz") == language


@pytest.mark.parametrize("declared", [None, "", "und", "qme", "qht", "qam", "qct", "qst", "art", "zxx", "ZXX"])
def test_without_a_declared_language_the_text_decides(declared: str | None) -> None:
    assert resolve_language(declared, "Das ist leider ein sehr trauriger Satz") == "de"


@pytest.mark.parametrize(
    ("lang", "text", "scorable"),
    [
        ("en", "anything", True),
        ("es", "todo mal", False),
        ("und", "lol", True),
        ("und", "😡😡", True),
        ("und", "ಠ_ಠ WTF", True),
        ("und", "ну да", False),
        ("und", "好", False),
    ],
)
def test_only_trained_languages_and_latin_scraps_are_scored(lang: str, text: str, scorable: bool) -> None:
    assert is_scorable(lang, ENGLISH, text) is scorable


@settings(max_examples=50)
@given(st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z", "C")), max_size=80))
def test_every_text_has_an_answer(text: str) -> None:
    assert 2 <= len(resolve_language(None, text)) <= 3


def test_importing_loads_no_model_and_warns_of_nothing() -> None:
    code = "import app.core.language as l; print(l._identifier.cache_info().currsize)"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("0", "")
