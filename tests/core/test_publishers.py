from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.publishers import publisher_country


@pytest.mark.parametrize(
    ("url", "country"),
    [
        ("https://www.spiegel.de/politik/1", "DE"),
        ("https://www.bbc.co.uk/news/1", "GB"),
        ("https://timesofindia.indiatimes.co.in/a", "IN"),
        ("https://www.lemonde.fr:443/a?b=c#d", "FR"),
        ("https://WWW.ABC.NET.AU./news", "AU"),
        ("https://www.nytimes.com/1", None),
        ("https://www.politico.eu/1", None),
        ("https://rt.tv/1", None),
        ("https://techcrunch.io/1", None),
        ("https://t.co/abc", None),
        ("https://192.168.0.1/a", None),
        ("https://localhost/a", None),
        ("not an address", None),
        ("https://[::1", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_national_domain_says_where_a_publisher_is(url: str | None, country: str | None) -> None:
    assert publisher_country(url) == country


@given(st.text())
def test_any_text_is_taken(url: str) -> None:
    country = publisher_country(url)
    assert country is None or (len(country) == 2 and country.isupper())
