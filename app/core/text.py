"""Text as the model reads it, text as duplicates are compared by, and text as a list of words.

The original text is kept for people; nothing here changes a stored message.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata

import emoji

# TweetEval, which the model is trained on, writes every handle as @user and every link as http.
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# The accents a handle may drag behind it: left in place, one would melt into the "r" of "@user".
_HANDLE = re.compile(r"(?<![\w@])@\w+[\u0300-\u036f]*")
_SKIN_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
# An emoji that was spelled out, and the same again right behind it: the first says it all.
_SPELLED_RUN = re.compile("(\0[^\0]+\0)(?:\\s*\\1)+")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SPACE = re.compile(r"\s+")
_RETWEET = re.compile(r"^(?:RT @\w+:?\s*)+", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
# Zero-width space, word joiner, BOM, soft hyphen, bidi controls. The joiners U+200C and U+200D stay: emoji need them.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_PASSES = 8
_ESCAPE_START = re.compile(r"&(?=[#\w])|\\(?=u[0-9a-fA-F]{4})")
_STRAY_SIGIL = re.compile(r"(?<=[^\s#@])[#@]|[#@](?!\w)")
# Scripts written without spaces between words (or, as Hangul, with endings glued to them):
# Thai, Lao, Myanmar, Khmer, Kana, Han, Hangul.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_ANY_UNSPACED = re.compile(f"[{_UNSPACED}]")
_PIECE = re.compile(f"[{_UNSPACED}]|[^{_UNSPACED}]+")


class _Folding(dict[int, str]):
    """The table of `fold` for `str.translate`, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_char(chr(code))
        return folded


def _fold_char(char: str) -> str:
    """A letter, digit, mark or `_` as itself, an emoji or a symbol beyond Latin-1 as a word of its own, else a break.

    Format characters and variation selectors vanish, so that "❤️" is "❤" and a family emoji its members.
    """
    if char in "#@_":
        return char
    category = unicodedata.category(char)
    if category == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    normal = unicodedata.normalize("NFKC", char.casefold())
    if (category[0] in "CZP" and normal not in ("#", "@", "_")) or (category[0] == "S" and char < "\u0100"):
        return " "
    if normal != char:
        normal = "".join(_FOLDING[ord(part)] for part in normal)
    return f" {normal} " if category[0] == "S" else normal


_FOLDING = _Folding()


def _unescape_literal(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16))


def _join_surrogates(text: str) -> str:
    """Surrogate pairs become the character they stand for, lone surrogates U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _clean_once(text: str) -> str:
    text = html.unescape(_ESCAPE.sub(_unescape_literal, text))
    text = _CONTROL.sub(" ", _INVISIBLE.sub("", _join_surrogates(text)))
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def clean(text: str) -> str:
    r"""Repair what transport did to a text: HTML entities, literal ``\u2019`` escapes, lone surrogates,
    invisible and control characters, Unicode form (NFC), runs of white space. Emoji stay. Idempotent.

    Escapes of escapes ("&amp;amp;") are undone up to eight deep. What is deeper is an attack on our time, not
    a text: it is broken up with spaces instead, so that the work stays linear in the length.
    """
    for _ in range(_MAX_PASSES):
        previous, text = text, _clean_once(text)
        if text == previous:
            return text
    return _clean_once(_ESCAPE_START.sub(r"\g<0> ", text))


def model_text(text: str) -> str:
    """What the model reads: the cleaned text, handles as ``@user``, links as ``http``, emoji by name. Idempotent."""
    return _spell_emoji(_HANDLE.sub("@user", _LINK.sub("http", clean(text))))


def _spell_emoji(text: str) -> str:
    """Emoji as their English names ("face with tears of joy"), without skin tones, a run of the same one once.

    To the vocabulary of the model every emoji is the same unknown token; their names are words that it knows.
    """
    if text.isascii():
        return text
    named = _SPELLED_RUN.sub(r"\1", emoji.demojize(_SKIN_TONE.sub("", text), delimiters=("\0", "\0")))
    parts = named.split("\0")
    parts[1::2] = [f" {name.replace('_', ' ')} " for name in parts[1::2]]
    return _SPACE.sub(" ", "".join(parts)).strip()


def fold(text: str) -> str:
    """The words of a text, each as any spelling of it would be written, with single spaces between them. Idempotent.

    Case and compatibility forms go (NFKC, case folding), accents stay. Punctuation separates words. An emoji is a
    word. A `#` or `@` is kept where it starts a hashtag or a handle, and dropped elsewhere.
    """
    text = unicodedata.normalize("NFKC", text.translate(_FOLDING))
    if "#" in text or "@" in text:
        text = _STRAY_SIGIL.sub(" ", text)
    return " ".join(text.split())


def words(folded: str) -> list[str]:
    """The words of a folded text without their `#` and `@`.

    Each character of a script without spaces between words is a word: a term in it is then found as a run of words.
    """
    if "#" in folded or "@" in folded:
        folded = folded.replace("#", "").replace("@", "")
    if is_unspaced(folded):
        return [piece for word in folded.split() for piece in _PIECE.findall(word)]
    return folded.split()


def is_unspaced(text: str) -> bool:
    """Whether any of a text is in a script written without spaces between words."""
    return _ANY_UNSPACED.search(text) is not None


def comparison_text(text: str) -> str:
    """What duplicates are compared by: the folded words, less retweet marks, links and handles. Idempotent."""
    text = _RETWEET.sub("", clean(text))
    return fold(_HANDLE.sub(" ", _LINK.sub(" ", text)).replace("@", " "))


def content_hash(text: str) -> str:
    """32 hex digits that are equal for texts whose `comparison_text` is equal.

    A text of which nothing is left to compare (a bare link, "???") is compared by its cleaned form.
    """
    basis = comparison_text(text) or clean(text)
    return hashlib.blake2b(basis.encode("utf-8"), digest_size=16).hexdigest()
