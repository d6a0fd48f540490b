import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.dedup import DuplicateIndex
from app.core.errors import InvalidInput

LONG = (
    "The finance minister told parliament today that the new budget will raise fuel duty by nine percent from the "
    "first of April, and that nobody has to worry about it"
)
POST = "we waited four hours at the gate in Denver and nobody from the airline told us anything at all"


def first_of(first: str, then: str) -> str | None:
    index = DuplicateIndex()
    assert index.first_of("first", first) is None
    return index.first_of("then", then)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (POST, f"RT @traveller: {POST}"),
        (POST, f"{POST.upper()}!!! https://t.co/2"),
        (POST, f"{POST} smh"),
        (POST, f"#Denver {POST}"),
        ("Breaking news", "breaking NEWS https://t.co/x"),
        (LONG, f"RT @reporter: {LONG[:125]}…"),
        (f"RT @reporter: {LONG[:125]}…", LONG),
        (f"RT @reporter: {LONG[:125]}…", f"RT @editor_in_chief: {LONG[:118]}…"),
        ("财政部长今天在议会表示新预算将提高燃油税百分之九", "财政部长今天在议会表示新预算将提高燃油税百分之九啊"),
    ],
)
def test_repeats_are_found(first: str, then: str) -> None:
    assert first_of(first, then) == "first"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("this flight was great", "this flight was awful"),
        ("great 😡", "great 😍"),
        ("I love the new iphone so much, best day ever", "I hate the new iphone so much, worst day ever"),
        (
            "the new budget is a good thing for young families today",
            "the new budget is a bad thing for young families today",
        ),
        (POST, f"{POST[:50]}…"),
        (LONG, f"{LONG[:60]} and I for one could not be happier about a tax that makes drivers pay for their roads…"),
        ("", "https://t.co/2"),
        ("😡", "😍"),
    ],
)
def test_different_messages_stay_apart(first: str, then: str) -> None:
    assert first_of(first, then) is None


def test_a_duplicate_points_to_the_first_and_not_to_another_duplicate() -> None:
    index = DuplicateIndex()
    answers = [index.first_of(str(number), f"{POST} {'again ' * number}") for number in range(4)]
    assert answers[:3] == [None, "0", "0"]
    assert index.first_of("rt", f"RT @x: {POST} again") == "0"


def test_asking_again_changes_nothing() -> None:
    index = DuplicateIndex()
    for _ in range(3):
        assert index.first_of("a", POST) is None
        assert index.first_of("b", f"RT @x: {POST}") == "a"


def test_the_oldest_first_is_forgotten_when_full() -> None:
    index = DuplicateIndex(capacity=2)
    for number in range(3):
        assert index.first_of(f"m{number}", f"message number {number} about something") is None
    assert index.first_of("x", "Message number 2 about something") == "m2"
    assert index.first_of("y", "Message number 1 about something") == "m1"
    assert index.first_of("z", "Message number 0 about something") is None


@pytest.mark.parametrize(
    ("capacity", "threshold", "permutations"), [(0, 0.7, 64), (9, 0.0, 64), (9, 1.1, 64), (9, 0.7, 0)]
)
def test_impossible_settings_are_refused(capacity: int, threshold: float, permutations: int) -> None:
    with pytest.raises(InvalidInput):
        DuplicateIndex(capacity, threshold, permutations)


# Few words, so that texts repeat, overlap and cut each other off.
TEXTS = st.lists(
    st.builds(
        lambda words, end: " ".join(words) + end,
        st.lists(st.sampled_from(["budget", "tax", "fuel", "good", "bad", "😡"]), min_size=1, max_size=18),
        st.sampled_from(["", "", "!", f" {LONG[:100]}…"]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 12))
def test_an_index_rebuilt_from_its_firsts_decides_identically(
    before: list[str], after: list[str], capacity: int
) -> None:
    index = DuplicateIndex(capacity, permutations=16)
    firsts = [(f"b{i}", text) for i, text in enumerate(before) if index.first_of(f"b{i}", text) is None]
    rebuilt = DuplicateIndex(capacity, permutations=16)
    for id_, text in firsts[-capacity:]:
        assert rebuilt.first_of(id_, text) is None
    for i, text in enumerate(after):
        assert rebuilt.first_of(f"a{i}", text) == index.first_of(f"a{i}", text)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_every_answer_is_an_earlier_first(texts: list[str]) -> None:
    index = DuplicateIndex(permutations=16)
    firsts: set[str] = set()
    for number, text in enumerate(texts):
        answer = index.first_of(str(number), text)
        assert answer is None or answer in firsts
        if answer is None:
            firsts.add(str(number))


def test_decisions_do_not_depend_on_the_process() -> None:
    posts = [" ".join(str(i * k % 7) for k in range(14)) for i in range(60)]
    index = DuplicateIndex(permutations=8)
    here = [index.first_of(str(i), post) for i, post in enumerate(posts)]
    code = (
        "from app.core.dedup import DuplicateIndex\nindex = DuplicateIndex(permutations=8)\n"
        f"print([index.first_of(str(i), post) for i, post in enumerate({posts})])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert run.stdout.decode().strip() == str(here)
