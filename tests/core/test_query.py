import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import QueryError
from app.core.query import (
    And,
    Dialect,
    Everything,
    Handle,
    Hashtag,
    Not,
    Or,
    Phrase,
    Query,
    Word,
    compile_for,
    matches,
    parse,
    read,
    render,
)
from app.core.terms import combine

X = (Dialect.X_SEARCH, Dialect.X_STREAM)
VOCABULARY = ["apple", "tax", "or", "été", "苹", "😡"]
TERMS: st.SearchStrategy[Query] = st.one_of(
    st.sampled_from(VOCABULARY).map(Word),
    st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=3).map(lambda found: Phrase(tuple(found))),
    st.just(Phrase(("coca", "cola"), "Coca-Cola")),
    st.sampled_from(["apple", "budget_25"]).map(Hashtag),
    st.sampled_from(["apple", "nasa"]).map(Handle),
)


def negation(query: Query) -> Query:
    return query.operand if isinstance(query, Not) else Not(query)


QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        inner.map(negation),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: combine(And, found)),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: combine(Or, found)),
    ),
    max_leaves=9,
).filter(lambda query: not matches(query, ""))
POSTS = st.lists(
    st.sampled_from([*VOCABULARY, "#apple", "@apple", "@nasa", "coca", "cola", "coca-cola", "Apple!", "#budget_25"])
).map(" ".join)


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("apple", "I ate an APPLE.", True),
        ("apple", "pineapple", False),
        ("apple", "buy #Apple or ask @apple", True),
        ("#apple", "an apple", False),
        ("#apple", "＃Apple!", True),
        ("#apple", "#applewatch", False),
        ("@apple", "mail me@apple.com", False),
        ("@apple", "cc @Apple: hi", True),
        ("tax budget", "budget and tax", True),
        ("tax AND budget", "the tax", False),
        ('"finance bill"', "the Finance\nBill!", True),
        ('"finance bill"', "bill of finance", False),
        ("“finance bill” –tax", "finance bill", True),
        ("a OR b c", "a", True),
        ("a OR b c", "b", False),
        ("(a OR b) c", "a", False),
        ("apple -(pie OR juice)", "apple juice", False),
        ("apple NOT pie", "apple tart", True),
        ("a NOT NOT b", "a b", True),
        ("coca-cola", "Coca Cola", True),
        ("AT&T", "I left AT&amp;T today", True),
        ("straße", "STRASSE", True),
        ("résumé", "resume", False),
        ("résumé", "re\u0301sume\u0301", True),
        ("apple", "Ａｐｐｌｅ™", True),
        ("苹果", "我喜欢苹果手机", True),
        ("苹果", "苹 和 梨果", False),
        ("애플", "애플이 발표했다", True),
        ("हिन्दी", "मुझे हिन्दी आती है", True),
        ("❤️ OR 😡", "so much ❤", True),
        ("👍", "👍🏽 yes", True),
        ("*", "", True),
        ("*", "whatever", True),
        ('"or"', "now or never", True),
    ],
)
def test_matching(query: str, text: str, expected: bool) -> None:
    assert matches(parse(query), text) is expected
    assert matches(parse(query), read(text)) is expected


@pytest.mark.parametrize(
    ("query", "position", "message"),
    [
        ("", 0, "empty"),
        (" \n", 0, "empty"),
        ('tax "finance bill', 4, "not closed"),
        ('tax ""', 4, "empty"),
        ("tax (budget", 4, "not closed"),
        ("tax) budget", 3, "closes nothing"),
        ("tax ()", 4, "follow '('"),
        ("tax OR", 4, "follow 'OR'"),
        ("OR tax", 0, "before 'OR'"),
        ("tax AND OR budget", 4, "follow 'AND'"),
        ("tax NOT", 4, "follow 'NOT'"),
        ("tax - budget", 4, "directly before"),
        ("tax or budget", 4, "ambiguous"),
        ("-tax -budget", 0, "nearly everything"),
        ("tax OR -budget", 0, "nearly everything"),
        ("tax #", 4, "hashtag"),
        ("#bud-get", 0, "hashtag"),
        ("tax @", 4, "handle"),
        ("tax &&", 4, "no word"),
        ("tax *", 4, "stands alone"),
        ("tax*", 0, "wildcard"),
        ("tax lang:en", 4, "lang:"),
        ("(" * 40 + "a" + ")" * 40, 32, "32"),
        ("a" * 5_000, 0, "4,096"),
    ],
)
def test_mistakes_are_explained_and_located(query: str, position: int, message: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(query)
    assert error.value.position == position
    assert message in error.value.reason


@settings(max_examples=200)
@given(st.text(st.sampled_from('ab#@-"“() *.ORNTAD\u200b苹é') | st.characters(), max_size=30))
def test_any_text_parses_or_is_refused_at_a_place_in_it(text: str) -> None:
    try:
        query = parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert parse(render(query)) == query
        assert query == Everything() or not matches(query, "")


def test_many_negations_are_no_deep_recursion() -> None:
    assert render(parse("a " + "NOT " * 801 + "b")) == "a -b"


@given(QUERIES)
def test_rendering_and_parsing_are_inverse(query: Query) -> None:
    assert parse(render(query)) == query


def test_rendering_keeps_the_spelling_of_phrases() -> None:
    assert render(parse('AT&T OR (Budget  "Finance   Bill" NOT "or")')) == '"AT&T" OR (budget "Finance Bill" -"or")'


@settings(max_examples=150)
@given(QUERIES, POSTS, st.sampled_from(X))
def test_an_x_rule_means_what_the_query_means(query: Query, post: str, dialect: Dialect) -> None:
    compiled = compile_for(query, dialect)
    if compiled.text is None:
        assert compiled.problems
        return
    assert "-(" not in compiled.text
    wanted, found = matches(query, post), matches(parse(compiled.text), post)
    assert found == wanted or (found and compiled.problems)


@given(QUERIES, POSTS)
def test_newsapi_never_silently_finds_less(query: Query, post: str) -> None:
    compiled = compile_for(query, Dialect.NEWSAPI)
    if compiled.text is not None and matches(query, post):
        assert matches(parse(compiled.text), post)


@pytest.mark.parametrize(
    ("query", "dialect", "text"),
    [
        ("budget AND tax", Dialect.X_SEARCH, "budget tax"),
        ('war "and" peace', Dialect.X_SEARCH, 'war "and" peace'),
        ("❤️ OR 😡", Dialect.X_SEARCH, '"❤" OR "😡"'),
        ("skiing -(snow OR day)", Dialect.X_STREAM, "skiing -snow -day"),
        ("skiing -(snow day)", Dialect.X_STREAM, "(skiing -snow) OR (skiing -day)"),
        ("Coca-Cola", Dialect.X_STREAM, '"Coca-Cola" OR "coca cola"'),
        ("soda -Coca-Cola", Dialect.X_STREAM, 'soda -"Coca-Cola" -"coca cola"'),
        ("Coca-Cola", Dialect.X_SEARCH, '"Coca-Cola"'),
        ('crypto (a OR "b c") -d', Dialect.NEWSAPI, '"crypto" AND ("a" OR "b c") AND NOT "d"'),
        ("a OR b c", Dialect.NEWSAPI, '"a" OR ("b" AND "c")'),
    ],
)
def test_queries_a_dialect_can_express(query: str, dialect: Dialect, text: str) -> None:
    compiled = compile_for(parse(query), dialect)
    assert (compiled.text, compiled.problems) == (text, ())


@pytest.mark.parametrize(
    ("query", "dialect", "text", "problem"),
    [
        ("#budget2025", Dialect.NEWSAPI, '"budget2025"', "#budget2025"),
        ("tax @nasa", Dialect.NEWSAPI, '"tax" AND "nasa"', "@nasa"),
        ("tax -#ad", Dialect.NEWSAPI, '"tax"', "excluded after the search"),
        ("cine -música", Dialect.X_SEARCH, "cine -música", "accents"),
        ("苹果", Dialect.X_STREAM, '"苹果"', "苹果"),
        ("*", Dialect.X_SEARCH, None, "everything"),
        ("tax (-#a OR b) -(c OR -#d)", Dialect.NEWSAPI, '"tax" AND NOT "c" AND "d"', "'#a' is excluded"),
        ("a -(b c d) -(e f g)", Dialect.X_STREAM, "a", "alternatives of exclusions"),
        (" OR ".join(f"candidate{number}" for number in range(50)), Dialect.X_SEARCH, None, "512"),
        (" OR ".join(f"candidate{number}" for number in range(50)), Dialect.NEWSAPI, None, "500"),
    ],
)
def test_what_a_dialect_lacks_is_reported(query: str, dialect: Dialect, text: str | None, problem: str) -> None:
    compiled = compile_for(parse(query), dialect)
    assert compiled.text == text
    assert any(problem in reported for reported in compiled.problems)


def test_languages_are_asked_of_x_by_its_own_codes() -> None:
    query = parse("tax OR budget")
    assert compile_for(query, Dialect.X_SEARCH, ["en"]).text == "(tax OR budget) lang:en"
    assert compile_for(parse("tax"), Dialect.X_STREAM, ["en", "id", "he"]).text == "tax (lang:en OR lang:in OR lang:iw)"
    assert any("does not recognise" in problem for problem in compile_for(query, Dialect.X_SEARCH, ["en"]).problems)
    assert compile_for(query, Dialect.NEWSAPI, ["en"]).text == '"tax" OR "budget"'
