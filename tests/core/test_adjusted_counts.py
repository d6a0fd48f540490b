from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.core.adjusted_counts import (
    NONE,
    ConfusionMatrix,
    Counts,
    Errors,
    Matrix,
    corrected,
    corrected_differences,
    on_simplex,
    transfer_weight,
)
from app.core.prevalence import Share, share

GOOD: Matrix = ((800, 150, 50), (150, 700, 150), (50, 150, 800))
PERFECT: Matrix = ((100_000, 0, 0), (0, 100_000, 0), (0, 0, 100_000))
BLIND: Matrix = ((300, 300, 300), (300, 300, 300), (300, 300, 300))

SMALL = st.integers(0, 60)
MATRICES = st.tuples(*[st.tuples(SMALL, SMALL, SMALL)] * 3)
WINDOWS = st.tuples(st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 2_000))
RATES = arrays.arrays(np.float64, (3, 3), elements=st.floats(0.01, 1)).map(lambda x: x / x.sum(axis=1, keepdims=True))
SAID = arrays.arrays(np.float64, 3, elements=st.floats(0.01, 1)).map(lambda x: x / x.sum())


def measured(*counts: Matrix, weight: float | None = None, own: Matrix = NONE) -> Errors:
    """Errors known from some sets."""
    matrices = tuple(ConfusionMatrix("model-1", f"set {number}", each) for number, each in enumerate(counts))
    return Errors(matrices, weight, own)


def shares(counts: Counts, errors: Errors) -> tuple[Share, Share, Share]:
    found = corrected(counts, errors)
    assert found is not None
    return found


def width(each: Share) -> float:
    return each.high - each.low


def said(matrix: Matrix, true: tuple[float, float, float], n: int) -> Counts:
    """What a classifier with that matrix says of n messages with those shares, without any luck."""
    rates = np.array(matrix) / np.array(matrix).sum(axis=1, keepdims=True)
    negative, neutral, positive = (round(each) for each in n * (np.array(true) @ rates))
    return negative, neutral, positive


# The least squares


@given(RATES, SAID)
def test_no_point_of_a_fine_grid_comes_nearer(rates: np.ndarray, said: np.ndarray) -> None:
    found = on_simplex(rates, said)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    distance = np.square(found @ rates - said).sum()
    steps = range(21)
    grid = np.array([(a, b, 20 - a - b) for a, b in itertools.product(steps, steps) if a + b <= 20]) / 20
    assert distance <= np.square(grid @ rates - said).sum(axis=1).min() + 1e-12


@given(RATES, arrays.arrays(np.float64, (4, 3), elements=st.floats(0.01, 1)))
def test_many_at_once_are_each_alone(rates: np.ndarray, rows: np.ndarray) -> None:
    rows = rows / rows.sum(axis=1, keepdims=True)
    together = on_simplex(np.broadcast_to(rates, (4, 3, 3)), rows)
    assert np.array_equal(together, np.stack([on_simplex(rates, row) for row in rows]))


def test_what_a_perfect_classifier_says_is_so() -> None:
    assert on_simplex(np.eye(3), np.array([0.2, 0.5, 0.3])) == pytest.approx([0.2, 0.5, 0.3])


@pytest.mark.parametrize(
    "rates", [np.full((3, 3), 1 / 3), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])]
)
def test_rows_on_a_line_still_give_shares(rates: np.ndarray) -> None:
    found = on_simplex(rates, np.array([0.3, 0.3, 0.4]))
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


# Shares


@pytest.mark.parametrize("true", [(0.2, 0.5, 0.3), (0.05, 0.9, 0.05), (0.7, 0.2, 0.1)])
def test_the_errors_are_taken_out(true: tuple[float, float, float]) -> None:
    counts = said(GOOD, true, 50_000)
    for found, right, plain in zip(shares(counts, measured(GOOD)), true, counts, strict=True):
        assert found.value == pytest.approx(right, abs=0.015)
        assert found.low < right < found.high
        assert abs(plain / sum(counts) - right) > abs(found.value - right) or abs(plain / sum(counts) - right) < 0.01


def test_with_a_perfect_classifier_there_is_only_the_sampling_error() -> None:
    found, plain = shares((300, 500, 200), measured(PERFECT))[0], share(300, 1_000)
    assert plain is not None
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), abs=0.003)
    assert found.n == 1_000


@settings(max_examples=40, deadline=None)
@given(WINDOWS, MATRICES)
def test_shares_are_shares(counts: Counts, matrix: Matrix) -> None:
    found = corrected(counts, measured(matrix, weight=30.0))
    if sum(counts) == 0:
        assert found is None
        return
    assert found is not None
    assert sum(each.value for each in found) == pytest.approx(1)
    for each in found:
        assert 0 <= each.low <= each.value <= each.high <= 1
        assert each.low < each.high
        assert each.n == sum(counts)


def test_nothing_has_no_share() -> None:
    assert corrected((0, 0, 0), measured(GOOD)) is None
    assert corrected_differences((0, 0, 0), (5, 5, 5), measured(GOOD)) is None
    assert corrected_differences((5, 5, 5), (0, 0, 0), measured(GOOD)) is None


def test_one_message_says_next_to_nothing() -> None:
    found = shares((1, 0, 0), measured(GOOD))
    assert found[0].n == 1
    assert all(width(each) > 0.7 for each in found)


def test_no_window_is_surer_than_its_size_allows() -> None:
    """A window of one class pins every round to a corner."""
    for n in (5, 50, 500):
        plain = share(n, n)
        assert plain is not None
        assert shares((n, 0, 0), measured(GOOD))[0].low <= plain.low + 1e-9


def test_a_blind_classifier_says_nothing() -> None:
    assert all(width(each) > 0.9 for each in shares((350, 330, 320), measured(BLIND)))


def test_few_labelled_texts_are_less_sure_than_many() -> None:
    few = tuple(tuple(cell // 20 for cell in row) for row in GOOD)
    counts = said(GOOD, (0.3, 0.4, 0.3), 5_000)
    assert width(shares(counts, measured(few))[0]) > 2 * width(shares(counts, measured(GOOD))[0])


def test_more_messages_make_it_narrower_but_not_beyond_the_matrix() -> None:
    widths = [width(shares(said(GOOD, (0.3, 0.4, 0.3), n), measured(GOOD))[0]) for n in (40, 400, 4_000, 400_000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 0.03


def test_asking_again_gives_the_same() -> None:
    assert corrected((30, 41, 12), measured(GOOD)) == corrected((30, 41, 12), measured(GOOD))


# Errors that were measured elsewhere

STRICT: Matrix = ((900, 90, 10), (400, 550, 50), (100, 200, 700))  # takes neutral texts for negative ones
MILD: Matrix = ((500, 450, 50), (50, 800, 150), (20, 200, 780))  # takes negative texts for neutral ones


def test_sets_that_differ_make_it_less_sure() -> None:
    counts = said(GOOD, (0.3, 0.4, 0.3), 5_000)
    alike = shares(counts, measured(GOOD, GOOD, weight=1_000.0))[0]
    apart = shares(counts, measured(STRICT, MILD, weight=1_000.0))[0]
    assert width(apart) > 2 * width(alike)


def test_a_small_weight_makes_it_less_sure() -> None:
    counts = said(GOOD, (0.3, 0.4, 0.3), 5_000)
    assert width(shares(counts, measured(GOOD, weight=10.0))[0]) > 2 * width(shares(counts, measured(GOOD))[0])


def test_labelled_messages_of_the_event_say_which_set_it_is_like() -> None:
    true = (0.3, 0.4, 0.3)
    counts = said(STRICT, true, 5_000)
    without = measured(STRICT, MILD, weight=50.0)
    labelled = tuple(tuple(cell // 10 for cell in row) for row in STRICT)
    before, after = shares(counts, without), shares(counts, without.plus(labelled))
    assert without.plus(labelled).labelled == sum(map(sum, labelled))
    assert abs(after[0].value - true[0]) < abs(before[0].value - true[0])
    assert width(after[0]) < width(before[0]) / 2
    assert after[0].low < true[0] < after[0].high


def test_a_matrix_that_cannot_explain_the_window_hardly_counts() -> None:
    """Under STRICT no mixture of classes leaves so few texts that are called negative."""
    counts = (40, 4_000, 960)
    both = shares(counts, measured(STRICT, MILD, weight=1_000.0))
    alone = shares(counts, measured(MILD, weight=1_000.0))
    for one, other in zip(both, alone, strict=True):
        assert one.value == pytest.approx(other.value, abs=0.02)


def test_a_window_that_no_matrix_explains_does_not_hang_on_the_one_that_comes_nearest() -> None:
    few: Matrix = ((0, 0, 1), (1, 0, 1), (1, 1, 2))  # seven texts, which hardly ever were called neutral
    assert width(shares((0, 570, 1), measured(few))[1]) > 0.5


def test_labelled_texts_add_up() -> None:
    errors = measured(GOOD, GOOD)
    more = errors.plus(((1, 0, 0), (0, 2, 0), (0, 0, 3))).plus(GOOD)
    assert more.own == ((801, 150, 50), (150, 702, 150), (50, 150, 803))
    assert (more.labelled, more.matrices) == (errors.matrices[0].n + 6, errors.matrices)


@pytest.mark.parametrize(
    "counts", [((1, 2, 3), (1, 2, 3)), ((1, 2), (1, 2), (1, 2)), ((1, 2, 3), (1, -2, 3), (1, 2, 3))]
)
def test_counts_that_are_none_are_refused(counts: Matrix) -> None:
    with pytest.raises(ValueError, match="no 3 x 3 matrix of counts"):
        ConfusionMatrix("model-1", "set", counts)
    with pytest.raises(ValueError, match="no 3 x 3 matrix of counts"):
        measured(GOOD).plus(counts)


def test_errors_need_a_matrix() -> None:
    with pytest.raises(ValueError, match="no confusion matrix"):
        Errors(())


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="a negative count"):
        corrected((1, -1, 3), measured(GOOD))
    with pytest.raises(ValueError, match="a negative count"):
        corrected_differences((1, 1, 3), (1, -1, 3), measured(GOOD))


# How much a set tells of another one


def test_sets_that_agree_are_worth_more_than_sets_that_do_not() -> None:
    rng = np.random.default_rng(5)

    def sets(concentration: float) -> list[ConfusionMatrix]:
        base = np.array(GOOD) / 1_000
        made = []
        for number in range(8):
            rates = [rng.dirichlet(concentration * row) for row in base]
            counts = tuple(tuple(int(cell) for cell in rng.multinomial(500, row)) for row in rates)
            made.append(ConfusionMatrix("model-1", f"set {number}", counts))
        return made

    assert transfer_weight(sets(400.0)) > 2 * transfer_weight(sets(15.0))


def test_with_few_sets_none_is_trusted_far() -> None:
    alike = [ConfusionMatrix("model-1", f"set {number}", GOOD) for number in range(4)]
    assert transfer_weight(alike) <= 10


# Differences


def test_a_window_does_not_differ_from_itself() -> None:
    found = corrected_differences((300, 400, 300), (300, 400, 300), measured(GOOD))
    assert found is not None
    assert [each.verdict for each in found] == ["can't tell"] * 3


@pytest.mark.parametrize("errors", [measured(GOOD), measured(STRICT, MILD, GOOD, weight=30.0)])
def test_a_change_that_the_messages_show_is_told(errors: Errors) -> None:
    after, before = said(GOOD, (0.5, 0.3, 0.2), 1_000), said(GOOD, (0.2, 0.5, 0.3), 1_000)
    found, back = corrected_differences(after, before, errors), corrected_differences(before, after, errors)
    assert found is not None
    assert back is not None
    assert found[0].verdict == "higher"
    assert back[0].verdict == "lower"
    assert found[0].low < 0.3 < found[0].high
    assert found[0].value == pytest.approx(-back[0].value, abs=0.02)


def test_a_difference_is_surer_than_the_shares_that_it_is_between() -> None:
    errors = measured(STRICT, MILD, GOOD, weight=30.0)
    after, before = said(GOOD, (0.35, 0.35, 0.3), 3_000), said(GOOD, (0.25, 0.45, 0.3), 3_000)
    found = corrected_differences(after, before, errors)
    assert found is not None
    assert found[0].high - found[0].low < 0.6 * width(shares(after, errors)[0])


def test_small_windows_do_not_tell() -> None:
    found = corrected_differences((8, 2, 1), (4, 5, 2), measured(GOOD))
    assert found is not None
    assert found[0].verdict == "can't tell"


def test_two_windows_of_one_class_may_differ_by_what_their_sizes_allow() -> None:
    found = corrected_differences((20, 0, 0), (20, 0, 0), measured(GOOD))
    assert found is not None
    assert found[0].low < -0.1
    assert found[0].high > 0.1


def test_windows_of_other_material_share_no_error() -> None:
    errors = measured(STRICT, MILD, GOOD, weight=30.0)
    counts = said(GOOD, (0.3, 0.4, 0.3), 3_000)
    same, apart = corrected_differences(counts, counts, errors), corrected_differences(counts, counts, errors, errors)
    assert same is not None
    assert apart is not None
    assert apart[0].high - apart[0].low > 2 * (same[0].high - same[0].low)


@settings(max_examples=40, deadline=None)
@given(WINDOWS, WINDOWS, MATRICES)
def test_differences_hold_their_value(after: Counts, before: Counts, matrix: Matrix) -> None:
    found = corrected_differences(after, before, measured(matrix, weight=30.0))
    assert (found is None) is (not sum(after) or not sum(before))
    for each in found or ():
        assert -1 <= each.low <= each.value <= each.high <= 1
        assert each.low < each.high


# What it is worth: windows drawn from a population with a known matrix


def test_nineteen_of_twenty_intervals_hold_the_true_share() -> None:
    """With a matrix of 300 texts a class and windows of 400; 93 % of 600 intervals, so that luck cannot break it."""
    rng = np.random.default_rng(7)
    rates = np.array(GOOD) / 1_000
    held = off = off_plain = total = 0.0
    for _ in range(200):
        counts = tuple(tuple(int(cell) for cell in rng.multinomial(300, row)) for row in rates)
        true = rng.dirichlet((1, 1, 1))
        seen = rng.multinomial(400, true @ rates)
        found = shares((int(seen[0]), int(seen[1]), int(seen[2])), measured(counts))
        held += sum(each.low <= right <= each.high for each, right in zip(found, true, strict=True))
        off += sum(abs(each.value - right) for each, right in zip(found, true, strict=True))
        off_plain += float(np.abs(seen / 400 - true).sum())
        total += 3
    assert held / total >= 0.93
    assert off < off_plain / 2
