"""Which language a text is in, and whether a model trained on some languages may judge it.

Measured 2026-11-23 with py3langid 0.4.0 (its own model, an .npz read without pickle), on one of two shared cores:
175 microseconds a post, 0.8 s to load, once. Of 14,645 posts that X calls English (US election 2024), 13,825 are
called "en", 818 "und" (which `is_scorable` lets pass), 2 another language. Of 2,000 TweetEval validation tweets 1,991
are called "en"; the 4 called another language are in it (Tagalog, Indonesian). Of 667 posts of four words and more in
16 other languages 525 are named right and 110 "und"; most of the 23 called "en" are English, wrongly declared.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from app.core.text import clean

UNKNOWN = "und"

# X's own codes for posts without a language (hashtags, mentions, media, links, short text), and ISO 639-2's.
_UNDECLARED = frozenset({"", UNKNOWN, "art", "mis", "mul", "qam", "qct", "qht", "qme", "qst", "xx", "zxx"})
# Codes that were withdrawn or that say more than we tell apart.
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro", "nb": "no", "nn": "no", "fil": "tl"}
# The languages X labels, as far as the model knows them. Its 80 others (Nigerian Pidgin, Latin, Bicol, Wolof ...)
# took 460 of the English posts above and are hardly ever written in one of ours.
_CANDIDATES = (
    "am ar bg bn ca cs cy da de el en es et eu fa fi fr gu he hi ht hu hy id is it ja ka km kn ko lo lt lv ml mr my "
    "ne nl no or pa pl ps pt ro ru si sk sl sr sv ta te th tl tr ug uk ur vi zh"
).split()
_MIN_CONFIDENCE = 0.5
# Longer texts get no surer; this bounds the time.
_MAX_CHARS = 1_000
_NOT_PROSE = re.compile(r"(?:https?://|www\.)\S+|[#@]\w+|[\d_]+", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\ua720-\ua7ff]")


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_MIN_CONFIDENCE)
    identifier.set_languages(_CANDIDATES)
    return identifier


def guess_language(text: str) -> str:
    """The ISO 639-1 code of the language a text is written in; "und" without letters or when not sure.

    Links, handles, hashtags and digits are left out of account. The model is loaded by the first call.
    """
    prose = " ".join(_NOT_PROSE.sub(" ", _readable(text)).split())
    if _LETTER.search(prose) is None:
        return UNKNOWN
    language, _ = _identifier().classify(prose)
    return str(language)


def resolve_language(declared: str | None, text: str) -> str:
    """The language a source declares for a text ("en-GB" is "en", "iw" is "he"), or a guess where it declares none."""
    code = re.split("[-_]", (declared or "").strip().casefold(), maxsplit=1)[0]
    if code in _UNDECLARED:
        return guess_language(text)
    return _RENAMED.get(code, code)


def is_scorable(lang: str, trained: frozenset[str], text: str) -> bool:
    """Whether a model trained on the languages `trained` may judge a text in `lang`, as `resolve_language` gave it.

    A text in no known language is scorable if at least half of its letters are Latin: it is mostly a short one in
    a language of the model ("lol", "GOAL", emoji only).
    """
    if lang != UNKNOWN:
        return lang in trained
    letters = _LETTER.findall(_readable(text))
    return 2 * sum(_LATIN.match(letter) is not None for letter in letters) >= len(letters)


def _readable(text: str) -> str:
    """The start of a text with styled letters ("𝗕𝗥𝗘𝗔𝗞𝗜𝗡𝗚") as plain ones."""
    return unicodedata.normalize("NFKC", clean(text[:_MAX_CHARS]))
