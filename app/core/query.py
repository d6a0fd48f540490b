"""The event query language: parse it, match texts with it, write it in the dialects of the sources.

    budget OR "finance bill" OR #budget2025          either of them
    apple (launch OR event) -fruit NOT "apple pie"   all of them, without the excluded ones; AND may be written too
    @apple                                           the handle
    *                                                everything; stands alone, meant for recordings

NOT (or a leading `-`) binds tighter than AND, AND tighter than OR; the three are written in capitals.

Words match whole words without regard to case; accents count. As on X, `apple` is found in "#apple" and "@apple"
too, while `#apple` is only the hashtag and `@apple` only the handle. Punctuation separates words, so `coca-cola` is
the phrase "coca cola". An emoji is a word. In scripts without spaces (Chinese, Japanese, Korean, Thai ...) a term is
found anywhere.

A source may be asked for more than the query says, since what it returns is matched again with the query; where it
would bring less, or nothing, `Compiled.problems` says so.

X: https://docs.x.com/x-api/posts/search/integrate/build-a-query and .../filtered-stream/integrate/build-a-rule
NewsAPI: https://newsapi.org/docs/endpoints/everything
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from math import prod
from typing import NoReturn
from unicodedata import combining, normalize

from app.core.errors import QueryError
from app.core.terms import (
    OPERATORS,
    And,
    Everything,
    Handle,
    Hashtag,
    Not,
    Or,
    Phrase,
    Query,
    Reading,
    Term,
    Word,
    combine,
    matches,
    read,
    render,
)
from app.core.text import fold, is_unspaced, words

__all__ = [
    "And",
    "Compiled",
    "Dialect",
    "Everything",
    "Handle",
    "Hashtag",
    "Not",
    "Or",
    "Phrase",
    "Query",
    "Reading",
    "Word",
    "compile_for",
    "matches",
    "parse",
    "read",
    "render",
]

MAX_LENGTH = 4_096
MAX_DEPTH = 32

# Phones and word processors turn quotes and hyphens into their typographic sisters; both are understood.
_QUOTES = '"“”„‟＂'
_BLANK = r"\s\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # white space, seen or not
_LEXEME = re.compile(
    rf"""(?P<open>[(（])|(?P<close>[)）])|(?P<minus>[-−–—－])
    |[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)(?P<endquote>[{_QUOTES}]?)
    |(?P<bare>[^{_BLANK}()（）{_QUOTES}]+)""",
    re.VERBOSE,
)
# Operators of X and of search engines that would otherwise pass silently as words.
_FOREIGN = re.compile(r"(?:from|to|lang|is|has|url|site|place|filter|since|until|intitle|min_\w+):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # open, close, AND, OR, NOT, term, end
    text: str
    position: int
    term: Term | None = None


def parse(text: str) -> Query:
    """The query that a text stands for. Raises QueryError with the position of the mistake.

    A query that a text with none of its words would match (exclusions only, `a OR NOT b`) is refused: it would
    match nearly the whole world.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"the query has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed", position=0)
    if text.strip() in ("*", "＊"):
        return Everything()
    query = _Parser(text).parse()
    if matches(query, ""):
        raise QueryError("the query would match nearly everything: add a word that a post must contain", position=0)
    return query


def _tokens(text: str) -> Iterator[_Token]:
    for found in _LEXEME.finditer(text):
        kind, lexeme, position = str(found.lastgroup), found.group(), found.start()
        if kind == "minus":
            if _LEXEME.match(text, found.end()) is None:
                raise QueryError("'-' must stand directly before what it excludes", position=position)
            yield _Token("NOT", lexeme, position)
        elif kind == "endquote":
            if not found["endquote"]:
                raise QueryError("this quote is not closed", position=position)
            yield _Token("term", lexeme, position, _plain_term(found["quoted"], position))
        elif kind == "bare" and lexeme.upper() in OPERATORS:
            if lexeme != lexeme.upper():
                hint = f'write {lexeme.upper()} as an operator or "{lexeme}" in quotes as a word'
                raise QueryError(f"'{lexeme}' is ambiguous: {hint}", position=position)
            yield _Token(lexeme, lexeme, position)
        elif kind == "bare":
            yield _Token("term", lexeme, position, _bare_term(lexeme, position))
        else:
            yield _Token(kind, lexeme, position)
    yield _Token("end", "", len(text))


def _bare_term(text: str, position: int) -> Term:
    if "*" in text:
        raise QueryError("'*' is no wildcard: it stands alone, to match everything", position=position)
    if foreign := _FOREIGN.match(text):
        raise QueryError(f"'{foreign.group()}' is no operator here: quotes find it as text", position=position)
    if text[0] not in "#＃@＠":
        return _plain_term(text, position)
    parts = fold(text).split()
    if len(parts) != 1 or parts[0][0] not in "#@":
        sort = "hashtag" if text[0] in "#＃" else "handle"
        raise QueryError(f"'{text}' is not a {sort}: letters, digits and _ must follow its sign", position=position)
    return Hashtag(parts[0][1:]) if parts[0][0] == "#" else Handle(parts[0][1:])


def _plain_term(text: str, position: int) -> Term:
    found = tuple(words(fold(text)))
    if not found:
        raise QueryError("there is no word to look for here" if text else "these quotes are empty", position=position)
    # A backslash separates words for us and escapes a quote for others.
    return Phrase(found, " ".join(text.replace("\\", " ").split())) if len(found) > 1 else Word(found[0])


class _Parser:
    """Recursive descent over the tokens; `depth` counts open parentheses."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def parse(self) -> Query:
        if self._next.kind == "end":
            raise QueryError("the query is empty", position=0)
        query = self._any(None, depth=0)
        if self._next.kind == "close":
            raise QueryError("this parenthesis closes nothing", position=self._next.position)
        return query

    def _take(self) -> _Token:
        taken = self._next
        if taken.kind != "end":
            self._next = next(self._tokens)
        return taken

    def _any(self, after: _Token | None, depth: int) -> Query:
        operands = [self._all(after, depth)]
        while self._next.kind == "OR":
            operands.append(self._all(self._take(), depth))
        return combine(Or, operands)

    def _all(self, after: _Token | None, depth: int) -> Query:
        operands = [self._operand(after, depth)]
        while self._next.kind not in ("OR", "close", "end"):
            operands.append(self._operand(self._take() if self._next.kind == "AND" else None, depth))
        return combine(And, operands)

    def _operand(self, after: _Token | None, depth: int) -> Query:
        negated = False
        while self._next.kind == "NOT":
            after, negated = self._take(), not negated
        token = self._take()
        if token.kind == "open":
            query = self._group(token, depth + 1)
        elif token.term is not None:
            query = token.term
        else:
            self._refuse(token, after)
        if not negated:
            return query
        return query.operand if isinstance(query, Not) else Not(query)

    def _group(self, opening: _Token, depth: int) -> Query:
        if depth > MAX_DEPTH:
            raise QueryError(f"more than {MAX_DEPTH} parentheses inside each other", position=opening.position)
        query = self._any(opening, depth)
        if self._take().kind != "close":
            raise QueryError("this parenthesis is not closed", position=opening.position)
        return query

    def _refuse(self, token: _Token, after: _Token | None) -> NoReturn:
        if after is not None:
            raise QueryError(f"a word, phrase or group must follow '{after.text}'", position=after.position)
        if token.kind == "close":
            raise QueryError("this parenthesis closes nothing", position=token.position)
        raise QueryError(f"a word, phrase or group must stand before '{token.text}'", position=token.position)


class Dialect(StrEnum):
    """The query languages of the sources, by the names people know them by."""

    X_SEARCH = "X search"
    X_STREAM = "X filtered stream"
    NEWSAPI = "NewsAPI"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query in a dialect. `text` is None where the source can't be asked it; `problems` say why, or what differs."""

    text: str | None
    problems: tuple[str, ...] = ()


_MAX_CHARS = {Dialect.X_SEARCH: 512, Dialect.X_STREAM: 1_024, Dialect.NEWSAPI: 500}
_MAX_BRANCHES = 8
_X_LANGUAGES = {"he": "iw", "id": "in"}


def compile_for(query: Query, dialect: Dialect, languages: Iterable[str] = ()) -> Compiled:
    """Write a query for a source.

    X gets the ISO 639-1 codes in `languages` as `lang:`. NewsAPI takes a language beside the query, not in it.
    """
    if isinstance(query, Everything):
        return Compiled(None, (f"{dialect} can't be asked for everything: name words to look for",))
    writer = _Writer(dialect)
    adapted = writer.adapt(query, negated=False)
    if adapted is None:
        return Compiled(None, (*writer.problems, f"nothing is left to ask {dialect} for"))
    adapted = writer.ground(adapted)
    text = writer.write(adapted)
    codes = [f"lang:{_X_LANGUAGES.get(code, code)}" for code in languages]
    if codes and dialect is not Dialect.NEWSAPI:
        wanted = codes[0] if len(codes) == 1 else f"({' OR '.join(codes)})"
        text = f"{writer.group(adapted) if isinstance(adapted, Or) else text} {wanted}"
        writer.note("X leaves out posts whose language it does not recognise, such as very short ones")
    if len(text) > _MAX_CHARS[dialect]:
        writer.note(f"{dialect} takes {_MAX_CHARS[dialect]:,} characters and the query has {len(text):,}: shorten it")
        return Compiled(None, tuple(writer.problems))
    return Compiled(text, tuple(writer.problems))


@dataclass(frozen=True, slots=True)
class _Writer:
    dialect: Dialect
    problems: dict[str, None] = field(default_factory=dict)  # each once, in the order met

    def note(self, problem: str) -> None:
        self.problems[problem] = None

    def adapt(self, query: Query, *, negated: bool) -> Query | None:
        """The query with negation at terms only ("Do not negate a set of operators grouped together", says X), in
        terms the dialect has. None stands for what can't be asked for and is left to the match afterwards.
        """
        match query:
            case Not(operand):
                return self.adapt(operand, negated=not negated)
            case And(operands) | Or(operands):
                parts = [self.adapt(operand, negated=negated) for operand in operands]
                known = [part for part in parts if part is not None]
                if isinstance(query, Or) is negated:
                    return combine(And, known) if known else None
                return combine(Or, known) if len(known) == len(parts) else None
            case Everything():
                return None
            case term:
                return self._negated_term(term) if negated else self._term(term)

    def _term(self, term: Term) -> Query:
        self._note_scripts(term)
        match term:
            case Hashtag(name) | Handle(name) if self.dialect is Dialect.NEWSAPI:
                self.note(f"NewsAPI knows no hashtags and handles: '{render(term)}' is searched for as a word")
                return Word(name)
            case Phrase(words, spelling) if self._minds_punctuation(term):
                return Or((Phrase(words, spelling), Phrase(words)))
        return term

    def _negated_term(self, term: Term) -> Query | None:
        self._note_scripts(term)
        match term:
            case Hashtag() | Handle() if self.dialect is Dialect.NEWSAPI:
                self.note(f"NewsAPI knows no hashtags and handles: '{render(term)}' is excluded after the search")
                return None
            case Phrase(words, spelling) if self._minds_punctuation(term):
                return And((Not(Phrase(words, spelling)), Not(Phrase(words))))
        if self.dialect is Dialect.X_SEARCH and any(map(combining, normalize("NFD", render(term)))):
            self.note(f"X search ignores accents: excluding '{render(term)}' excludes it without accents too")
        return Not(term)

    def _note_scripts(self, term: Term) -> None:
        if is_unspaced(render(term)):
            self.note(f"{self.dialect} splits text without spaces into words its own way: it may miss '{render(term)}'")

    def _minds_punctuation(self, phrase: Phrase) -> bool:
        """The stream compares the punctuation in a phrase, we do not: "coca-cola" and "coca cola" are asked for."""
        spelled_out = phrase.text.casefold() != " ".join(phrase.words) and not is_unspaced(phrase.text)
        return self.dialect is Dialect.X_STREAM and spelled_out

    def ground(self, query: Query) -> Query:
        """The query with a wanted term in every alternative: `a (-b OR -c)` becomes `(a -b) OR (a -c)`.

        X refuses alternatives of exclusions ("Negated ORs are not supported"), and a Lucene engine such as
        NewsAPI's finds nothing for one.
        """
        match query:
            case Or(operands):
                return combine(Or, map(self.ground, operands))
            case And(operands):
                loose = [part.operands for part in operands if isinstance(part, Or) and matches(part, "")]
                firm = [self.ground(part) for part in operands if not (isinstance(part, Or) and matches(part, ""))]
                if prod(map(len, loose)) > _MAX_BRANCHES:
                    self.note(f"{self.dialect} is not told of some alternatives of exclusions: they come afterwards")
                    loose = []
                branches = [combine(And, (*firm, *choice)) for choice in product(*loose)]
                return combine(Or, map(self.ground, branches)) if loose else combine(And, firm)
        return query

    def write(self, query: Query) -> str:
        """The adapted query as text. AND inside OR is put in parentheses: not every engine ranks them as we do."""
        news = self.dialect is Dialect.NEWSAPI
        match query:
            case Word(text):
                # Quotes keep NewsAPI from finding other forms of a word; X wants them around "or" and emoji variants.
                return f'"{text}"' if news or text.upper() in OPERATORS or not text.isalnum() else text
            case Not(operand):
                return f"{'NOT ' if news else '-'}{self.write(operand)}"
            case And(operands):
                return (" AND " if news else " ").join(map(self.group, operands))
            case Or(operands):
                return " OR ".join(map(self.group, operands))
        return render(query)

    def group(self, query: Query) -> str:
        """The text of an operand, in parentheses where it has operands itself."""
        return f"({self.write(query)})" if isinstance(query, And | Or) else self.write(query)
