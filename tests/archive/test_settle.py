from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast.archive.settle import Known, Wanted, settle
from rsir_fast.archive.tables import ItemRow
from rsir_fast.datasets.windows import Window
from rsir_fast.errors import ArchiveError


def row(name: str, content: int, class_name: str | None = None) -> ItemRow:
    return ItemRow("images", name, 1, 1, class_name, sha256=f"{content:064x}")


def known(rows, removed=()) -> Known:
    """Return rows by their ids, the hidden ones among them."""
    found = list(rows)
    ids = [row_id for row_id, _ in found]
    return Known(
        found, np.array([one for one in ids if one not in removed], np.int64), np.array(sorted(removed), np.int64)
    )


def as_lists(found):
    return found.order.tolist(), found.removed.tolist(), found.used


def settled(wanted, known, new, next_id, **options):
    """Settle rows: what new segments have is named by its number among those wanted, or by another one."""
    numbers = {(one.key, one.content): number for number, one in enumerate(wanted)}
    found = [known.find(one.key, one.content) for one in wanted]
    ids = np.array([-1 if row_id is None else row_id for row_id in found], np.int64)
    parts = [np.array([numbers.get((one.key, one.content), len(wanted)) for one in part], np.int64) for part in new]
    return settle(Wanted([one.key for one in wanted], np.arange(len(wanted)), ids), known, parts, next_id, **options)


A, B, C = row("a", 1), row("b", 2), row("c", 3)


def test_a_new_row_is_taken_and_the_rest_removed():
    found = settled([B], known([(0, A)]), [[B, C]], 1)
    assert as_lists(found) == ([1], [0, 2], [True])


def test_what_another_has_added_too_is_not_there_twice():
    found = settled([A, B], known([(0, A)]), [[A], [B]], 1)
    assert as_lists(found) == ([0, 1], [], [False, True])


def test_what_another_has_removed_comes_back():
    found = settled([A], known([(0, A)], removed=[0]), [], 1)
    assert as_lists(found)[:2] == ([0], [])


def test_what_counts_is_preferred_to_what_is_hidden():
    assert settled([A], known([(0, A), (1, A)], removed=[1]), [], 2).order.tolist() == [0]
    assert settled([A], known([(0, A), (1, A)], removed=[0]), [], 2).order.tolist() == [1]


def test_another_class_is_another_row():
    with pytest.raises(ArchiveError, match=r"^a: .*run the same command again"):
        settled([row("a", 1, "forest")], known([(0, A)]), [], 1)


names = st.sampled_from("abcdef")
rows = st.builds(row, names, st.integers(1, 2))


@given(
    st.lists(rows, max_size=8),
    st.sets(st.integers(0, 7)),
    st.lists(st.lists(rows, min_size=1, max_size=4), max_size=3),
    st.lists(rows, max_size=6, unique_by=lambda one: one.key),
)
def test_the_order_is_that_of_what_is_wanted_and_every_id_is_in_one_place(rows, removed, new, want):
    there = {(one.key, one.content) for one in [*rows, *(one for part in new for one in part)]}
    want = [one for one in want if (one.key, one.content) in there]
    hidden = removed & set(range(len(rows)))
    found = settled(want, known(enumerate(rows), hidden), new, len(rows))
    ids = dict(enumerate(rows))
    first = len(rows)
    for part, used in zip(new, found.used, strict=True):
        if used:
            ids |= dict(enumerate(part, first))
            first += len(part)
    assert [(ids[i].key, ids[i].content) for i in found.order] == [(one.key, one.content) for one in want]
    assert sorted([*found.order, *found.removed]) == list(range(first))


def test_what_is_not_asked_about_stays_where_it_was_and_what_is_replaced_goes():
    changed = row("a", 9)
    before = Known([(0, A), (3, row("a", 7))], np.array([2, 0, 1]), np.array([3]))
    found = settled([changed, C], before, [[changed, C]], 4, keeping=True)
    assert as_lists(found) == ([2, 1, 4, 5], [0, 3], [True])
    again = settled([A], before, [], 4, keeping=True)
    assert as_lists(again) == ([2, 0, 1], [3], [])
    back = settled([row("a", 7)], before, [], 4, keeping=True)
    assert as_lists(back) == ([2, 1, 3], [0], [])


def test_windows_of_a_raster_are_items_of_their_own():
    left, right = (ItemRow("images", "a", 1, 1, window=Window(at, 0, 8, 8), sha256="0" * 64) for at in (0, 8))
    found = settled([left, right], known([(0, left)]), [[right]], 1)
    assert as_lists(found) == ([0, 1], [], [True])


def test_a_column_that_is_no_number_is_the_same_again():
    once, again = (ItemRow("images", "a", 1, 1, columns=(("cloud", float("nan")),), sha256="0" * 64) for _ in range(2))
    assert settled([again], known([(0, once)]), [], 1).order.tolist() == [0]
