"""In which country a publisher is, as far as the address of an article says it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

# Country-code domains under which a publisher is at home there. Those that are sold to everybody (.tv, .co, .io, .me,
# .ai, .ly, .fm, .to, .cc ...) say nothing, and neither do .com, .org, .net and .eu.
_HOME: Final = frozenset(
    "AE AL AM AO AR AT AU AZ BA BD BE BF BG BH BO BR BW BY CA CH CL CM CN CR CU CY CZ DE DK DO DZ EC EE EG ES ET FI FJ"
    " FR GE GH GR GT HK HN HR HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KR KW KZ LB LK LT LU LV MA MD MK MM MT MX MY"
    " MZ NA NG NI NL NO NP NZ OM PA PE PH PK PL PS PT PY QA RO RS RU RW SA SD SE SG SI SK SN SV SY TH TN TR TW TZ UA UG"
    " US UY UZ VE VN YE ZA ZM ZW".split()
)


def publisher_country(url: str | None) -> str | None:
    """The ISO 3166 alpha-2 code of the country whose domain an address is in; None where that says nothing.

    This is where the publisher is, not where the author is or what the article is about.
    """
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:  # an address that is none
        return None
    domain = host.rstrip(".").rpartition(".")[2].upper()
    if domain == "UK":
        return "GB"
    return domain if domain in _HOME else None
