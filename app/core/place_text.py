"""What people write where a profile asks for a place: names folded to keys, flags, coordinates, and the parts."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 300
"""Characters of a string that are read; X allows 30, Mastodon and Bluesky more."""

_APOSTROPHES: Final = "'’‘`´ʻʼ′"
_LETTERS: Final = {
    **str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "&": " and "}),
    **dict.fromkeys(map(ord, _APOSTROPHES), ""),
}
_MARKS = re.compile("[\u0300-\u036f]+")  # the accents of Latin, Greek and Cyrillic; the vowels of other scripts stay
# \w has no vowel signs of Indic scripts (Mc, Mn), which are part of the word there.
_GAPS = re.compile("(?:[^\\w\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]|_)+")
_SPELLED = re.compile(r"\b(\w) (?=\w\b)")
_SHORT = {"st": "saint", "ste": "sainte", "ft": "fort", "mt": "mount"}


def key(name: str) -> str:
    """A name as the gazetteer knows it: case, accents, punctuation and ways to write "saint" do not matter.

    Letters that stand alone are joined, so that "U.S.A." and "N Y C" are words. Folding a key changes nothing.
    """
    if name.isascii():
        folded = name.lower()
    else:
        folded = _MARKS.sub("", unicodedata.normalize("NFKD", name).casefold())
        folded = unicodedata.normalize("NFC", folded)
    words = _SPELLED.sub(r"\1", _GAPS.sub(" ", folded.translate(_LETTERS)).strip())
    if not _SHORT.keys().isdisjoint(split := words.split(" ")):
        # The last word is left: "MT" behind a comma is Montana.
        words = " ".join([*(_SHORT.get(word, word) for word in split[:-1]), split[-1]])
    return words


_PAIR = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_TAGGED = re.compile("\U0001f3f4([\U000e0061-\U000e007a]{4,6})\U000e007f")  # England, Scotland, Wales, Texas


def flags(text: str) -> tuple[str, ...]:
    """The codes (ISO 3166 alpha-2, or what is written like one) of the flags in a text, each once, in order."""
    pairs = ("".join(chr(ord(letter) - 0x1F1E6 + 65) for letter in pair) for pair in _PAIR.findall(text))
    tagged = (chr(ord(tags[0]) - 0xE0020) + chr(ord(tags[1]) - 0xE0020) for tags in _TAGGED.findall(text))
    return tuple(dict.fromkeys([*pairs, *tagged]))


_NUMBER = r"([+-]?\d{1,3}\.\d{1,18})"
_COORDINATES = re.compile(rf"(?<![\d.]){_NUMBER}\s*°?\s*([NS])?\s*[,;/\s]\s*{_NUMBER}(?![\d.])\s*°?\s*([EW])?\b")


def coordinates(text: str) -> tuple[float, float] | None:
    """Latitude and longitude in degrees where a text gives them in decimals, as phones wrote them into profiles."""
    # Blanks singly: in a run of them the pattern would try all ways to share it out, which takes hours.
    found = _COORDINATES.search(" ".join(text[:LONGEST].split()))
    if found is None:
        return None
    latitude = float(found[1]) * (-1 if found[2] == "S" else 1)
    longitude = float(found[3]) * (-1 if found[4] == "W" else 1)
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


_NO_PLACE = re.compile(
    r"\S+://\S+|\bwww\.\S+|\S+@\S+\.\S+|(?:^|\s)@\w+|\b(?:sc|snap|snapchat|ig|insta|instagram|fb|yt|tiktok)\s*: *\S+",
    re.IGNORECASE,
)
# Arrows, symbols and emoji stand between places ("Oslo ✈ Rome") or decorate one; ° and letter-like symbols do not.
_SYMBOLS = re.compile("[\u2190-\u2bff\u3000-\u3003\U0001f000-\U0001faff\ufe0f\u20e3]+")
_CONTROLS = re.compile("[\x00-\x1f]")
_HARD = re.compile(
    r"[|/•·;\n\r\t→~»«+]|<?-+>|\s(?:and|or|y|und|et|to|via|by way of|then)\s|\s&\s|(?<=\w)&(?=\w)", re.IGNORECASE
)
_SOFT = re.compile(r"[,()\[\]、，،:\"“”*!?]|\s[-–—]+\s|[–—]|\.\s*$|\.{2,}|\s-|-\s")


def visible(text: str) -> str:
    """A text in plain letters, without what cannot be seen and without addresses; symbols become bars."""
    text = text[:LONGEST]
    if not text.isascii():
        text = _SYMBOLS.sub("|", unicodedata.normalize("NFKC", text))
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cs", "Co", "Cn"})
    return _NO_PLACE.sub(" ", _CONTROLS.sub("\n", text))


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a text that holds at most one place; `raw` words and their keys."""

    raw: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, text: str) -> Words | None:
        """The words of a piece; None where it has none."""
        name = key(text)
        return cls(tuple(text.split()), name) if name else None


def parts(text: str) -> list[list[Words]]:
    """A visible text as alternatives ("NYC / LA"), each of pieces of which one may lie in another ("Paris, Texas")."""
    found = ([Words.of(piece) for piece in _SOFT.split(part)] for part in _HARD.split(text))
    return [whole for pieces in found if (whole := [piece for piece in pieces if piece])]
