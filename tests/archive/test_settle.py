from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast.archive.settle import Known, settle
from rsir_fast.archive.tables import ItemRow
from rsir_fast.errors import ArchiveError


def row(name: str, content: int, class_name: str | None = None) -> ItemRow:
    return ItemRow("images", name, 1, 1, class_name, sha256=f"{content:064x}")


def wanted(*rows: ItemRow):
    return [(one.key, one.content) for one in rows]


A, B, C = row("a", 1), row("b", 2), row("c", 3)


def test_a_new_row_is_taken_and_the_rest_removed():
    found = settle(wanted(B), Known([(0, A)]), [[B, C]], 1)
    assert (found.order, found.removed, found.used) == ([1], [0, 2], [True])


def test_what_another_has_added_too_is_not_there_twice():
    found = settle(wanted(A, B), Known([(0, A)]), [[A], [B]], 1)
    assert (found.order, found.removed, found.used) == ([0, 1], [], [False, True])


def test_what_another_has_removed_comes_back():
    found = settle(wanted(A), Known([(0, A)], removed=[0]), [], 1)
    assert (found.order, found.removed) == ([0], [])


def test_what_counts_is_preferred_to_what_is_hidden():
    assert settle(wanted(A), Known([(0, A), (1, A)], removed=[1]), [], 2).order == [0]
    assert settle(wanted(A), Known([(0, A), (1, A)], removed=[0]), [], 2).order == [1]


def test_another_class_is_another_row():
    with pytest.raises(ArchiveError, match=r"^a: .*run the same command again"):
        settle(wanted(row("a", 1, "forest")), Known([(0, A)]), [], 1)


names = st.sampled_from("abcdef")
rows = st.builds(row, names, st.integers(1, 2))


@given(
    st.lists(rows, max_size=8),
    st.sets(st.integers(0, 7)),
    st.lists(st.lists(rows, min_size=1, max_size=4), max_size=3),
    st.lists(rows, max_size=6, unique_by=lambda one: one.key),
)
def test_the_order_is_that_of_what_is_wanted_and_every_id_is_in_one_place(known, removed, new, want):
    there = {(one.key, one.content) for one in [*known, *(one for part in new for one in part)]}
    want = [one for one in want if (one.key, one.content) in there]
    found = settle(wanted(*want), Known(enumerate(known), removed), new, len(known))
    ids = dict(enumerate(known))
    first = len(known)
    for part, used in zip(new, found.used, strict=True):
        if used:
            ids |= dict(enumerate(part, first))
            first += len(part)
    assert [(ids[i].key, ids[i].content) for i in found.order] == wanted(*want)
    assert sorted([*found.order, *found.removed]) == list(range(first))
