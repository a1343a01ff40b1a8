"""Who held a phone number, and when: a number is one person's until March and another's from June.

Holders (WeChat accounts and member cards) of one number are walked in order of time. A number passes on when a
WeChat account that cannot be the same person's follows, or when nobody used it for as long as a carrier keeps a given
up number back. Holders at one time who cannot be one person make the number shared: then it proves nobody.

The loop is sequential by nature; numba compiles it. Nothing here reads configuration, Dagster or dbt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

DAY = 86_400

# why a tenure is shared, or began
CAUSES = ("", "accounts", "cards", "names", "handover", "silence", "moved")
_ACCOUNTS, _CARDS, _NAMES, _HANDOVER, _SILENCE, _MOVED = range(1, 7)


class TenureRules(NamedTuple):
    """Limits, in counts and days.

    max_accounts, max_cards: more of them at one time share the number. silence: days without use after which a
    number may have a new owner. reregister_gap: longest break, in days, between an account and the one that replaces
    it for the same person.
    """

    max_accounts: int
    max_cards: int
    silence: int
    reregister_gap: int


def split_tenures(holds: pa.Table, rules: TenureRules) -> pa.Table:
    """Tenure of every hold.

    Args:
        holds: sorted by phone_no and starts_at; int64 columns phone_no, kinds (bit set of the kinds of WeChat ids of
            an account, 0 for a card), starts_at, ends_at (seconds; the hold's proven time), records (how often the
            holder was seen), name_no (0: unknown), has_moved (1: the holder took another number at ends_at).

    Returns:
        A row per hold, in order: tenure_no (0 …), is_shared (of its tenure), cause (see CAUSES) of its tenure's
        sharing, began_by, cut_at (seconds; when its tenure began, null for the first of a number).
    """
    names = ("phone_no", "kinds", "starts_at", "ends_at", "records", "name_no", "has_moved")
    columns = [np.ascontiguousarray(holds.column(name).to_numpy(), dtype=np.int64) for name in names]
    tenure, shared, began, cut = _split(
        *columns, rules.max_accounts, rules.max_cards, rules.silence * DAY, rules.reregister_gap * DAY
    )
    labels = np.array(CAUSES, dtype=object)
    return pa.table(
        {
            "tenure_no": pa.array(tenure),
            "is_shared": pa.array(shared > 0),
            "cause": pa.array(labels[shared], pa.string()),
            "began_by": pa.array(labels[began], pa.string()),
            "cut_at": pa.array(cut, mask=tenure == 0),
        }
    )


@njit(cache=True)
def _is_chance(first, second):
    """Whether two people who use a number independently might well come strictly one after the other: the chance that
    all of `first` uses lie before all of `second` is one in (first + second choose first); rare is one in a hundred."""
    ways = 1.0
    few = min(first, second)
    for i in range(few):
        ways = ways * (first + second - i) / (i + 1)
        if ways > 100.0:
            return False
    return True


@njit(cache=True)
def _split(
    phone, kinds, starts, ends, records, names, moved, max_accounts, max_cards, silence, reregister_gap
):
    count = len(phone)
    tenure = np.zeros(count, dtype=np.int64)
    shared = np.zeros(count, dtype=np.int64)
    began = np.zeros(count, dtype=np.int64)
    cut = np.zeros(count, dtype=np.int64)
    low = 0  # first hold of the current tenure
    for i in range(count):
        if i == 0 or phone[i] != phone[i - 1]:
            low = i
            continue
        latest = ends[low]
        left = moved[low] == 1
        accounts, cards = 0, 0
        followed = False  # an account that this one replaces for another person
        same = False
        for j in range(low, i):
            latest = max(latest, ends[j])
            left = left and moved[j] == 1
            if names[i] != 0 and names[j] == names[i]:
                same = True
            if kinds[i] & kinds[j]:
                if ends[j] > starts[i]:
                    accounts += 1
                elif names[i] != 0 and names[j] == names[i]:
                    continue
                elif (
                    (names[i] != 0 and names[j] != 0)
                    or starts[i] - ends[j] > reregister_gap
                    or _is_chance(records[j], records[i])
                ):
                    followed = True
            elif kinds[i] == 0 and kinds[j] == 0:
                cards += 1
        cause = 0
        if followed and accounts == 0:
            cause = _HANDOVER
        elif accounts == 0 and left and starts[i] >= latest:
            cause = _MOVED  # all who held it took other numbers
        elif accounts == 0 and starts[i] > latest + silence and not same:
            cause = _SILENCE
        if cause:
            low = i
            tenure[i] = tenure[i - 1] + 1
            began[i] = cause
            cut[i] = starts[i]
            continue
        tenure[i] = tenure[i - 1]
        began[i], cut[i] = began[low], cut[low]
        if accounts + 1 > max_accounts:
            shared[i] = _ACCOUNTS
        elif kinds[i] == 0 and cards + 1 > max_cards:
            shared[i] = _CARDS
        else:
            shared[i] = shared[i - 1]
        if kinds[i] == 0 and names[i] != 0 and shared[i] == 0:
            for j in range(low, i):
                if kinds[j] == 0 and names[j] != 0 and names[j] != names[i]:
                    shared[i] = _NAMES
        # what makes a tenure shared holds for all of it
        for j in range(low, i):
            shared[j] = shared[i]
    return tenure, shared, began, cut
