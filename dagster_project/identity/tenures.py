"""Who held a phone number, and when: a number is one person's until March and another's from June.

Holders (WeChat accounts and member cards) of one number are walked in order of time. A number passes on when a
WeChat account that cannot be the same person's follows, or when nobody used it for as long as a carrier keeps a given
up number back. Holders at one time who cannot be one person make the number shared: then it proves nobody. So does an
account that follows another too soon for a new owner, when neither names nor chance tell whether it replaces it.

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
    """Limits, in counts and days; `visit` in minutes.

    max_accounts: of WeChat accounts that may hold a number at one time; max_cards: of member cards. silence: days
    without use after which a number may have a new owner. reregister_gap: longest break, in days, between an account
    and the one that replaces it for the same person. names_differ: names of cards and accounts are comparable, so
    that different ones speak against one person (they always do between two cards). visit: the longest time
    between what is taken on one visit to a shop.
    """

    max_accounts: int
    max_cards: int
    silence: int
    reregister_gap: int
    names_differ: bool
    visit: int


def split_tenures(holds: pa.Table, names: pa.Table, rules: TenureRules) -> pa.Table:
    """Tenure of every hold.

    Args:
        holds: sorted by phone_no and starts_at; int64 columns phone_no, kinds (bit set of the kinds of WeChat ids of
            an account, 0 for a card), starts_at, ends_at (seconds; the hold's proven time), said_from (since
            when the number was said at the till without a silence until starts_at; starts_at when it was not), born_at
            (since when the account is used, for whatever number), records (how often the holder was seen beside taking the number),
            has_moved (1: the holder took another number at ends_at), is_named (1: its names are its own; one that
            stands on a single order may be whoever it was delivered to, so that another one proves nothing).
        names: sorted by hold_no (position in `holds`); int64 hold_no, name_no: the names that a holder goes by.

    Returns:
        A row per hold, in order: tenure_no (0 …), is_shared (of its tenure), cause (see CAUSES) of its tenure's
        sharing, began_by, cut_at (seconds; when its tenure began, null for the first of a number), same_as (in a
        shared tenure, the first hold of the same name that may be the same person's, or else the one that was taken on
        the same visit; else null), same_by ('name', 'visit' or null).
    """
    columns = (
        "phone_no",
        "kinds",
        "starts_at",
        "ends_at",
        "said_from",
        "born_at",
        "records",
        "has_moved",
        "is_named",
    )
    arrays = [np.ascontiguousarray(holds.column(name).to_numpy(), dtype=np.int64) for name in columns]
    owner, name = (
        np.ascontiguousarray(names.column(n).to_numpy(), dtype=np.int64) for n in ("hold_no", "name_no")
    )
    begin = np.searchsorted(owner, np.arange(holds.num_rows + 1))
    limits = (
        rules.max_accounts,
        rules.max_cards,
        rules.silence * DAY,
        rules.reregister_gap * DAY,
        rules.names_differ,
        rules.visit * 60,
    )
    tenure, shared, began, cut, same, by_visit = _split(*(*arrays, begin, name, *limits))
    labels = np.array(CAUSES, dtype=object)
    return pa.table(
        {
            "tenure_no": pa.array(tenure),
            "is_shared": pa.array(shared > 0),
            "cause": pa.array(labels[shared], pa.string()),
            "began_by": pa.array(labels[began], pa.string()),
            "cut_at": pa.array(cut, mask=tenure == 0),
            "same_as": pa.array(same, mask=same == -1),
            "same_by": pa.array(
                np.array(["name", "visit"], dtype=object)[by_visit], pa.string(), mask=same == -1
            ),
        }
    )


@njit(cache=True)
def _is_chance(first, second, life, wait):
    """Whether two people who use a number independently might well come one after the other like that: the chance that
    all of `first` uses lie before all of `second` is one in (first + second choose first), and that the last of them
    is only `wait` seconds old when the second's begin, of `life` seconds since the first's began, is at most first ×
    wait / life; rare is one in a hundred. Taking the number is a use of it, too."""
    first, second = first + 1, second + 1
    life, wait = max(life, 0) + DAY, wait + DAY  # days are all that some systems write
    ways = max(life / (first * wait), 1.0)
    for i in range(min(first, second)):
        ways = ways * (first + second - i) / (i + 1)
        if ways > 100.0:
            return False
    return True


@njit(cache=True)
def _compare(i, j, begin, name, named):
    """1 when two holders share a name, −1 when both have names of their own and none in common, else 0."""
    if begin[i] == begin[i + 1] or begin[j] == begin[j + 1]:
        return 0
    for a in range(begin[i], begin[i + 1]):
        for b in range(begin[j], begin[j + 1]):
            if name[a] == name[b]:
                return 1
    return -1 if named[i] and named[j] else 0


@njit(cache=True)
def _first_of_newcomer(low, i, starts, kinds, begin, name, named):
    """The first hold of the person to whom the number passed on with hold i, of a tenure that began with `low`: whoever
    takes a card and an account on one day takes them for herself, whichever of them tells that she is another person.
    """
    first = i
    while first - 1 > low and starts[first - 1] // DAY == starts[i] // DAY:
        k = first - 1
        if kinds[k] & kinds[i] or _compare(k, i, begin, name, named) == -1:
            break
        for j in range(low, k):
            if _compare(j, k, begin, name, named) == 1:
                return first
        first = k
    return first


@njit(cache=True)
def _taken_together(low, i, phone, tenure, starts, kinds, begin, name, named, visit):
    """Whether hold i and the one before it, of the tenure that begins with `low`, were taken on one visit: who opens a
    card and registers an account at the counter does so before long. Of more than two nobody knows who took which,
    and midnight is a date without a time."""
    j, after = i - 1, i + 1
    if j < low or starts[i] - starts[j] > visit or starts[i] % DAY == 0 or starts[j] % DAY == 0:
        return False
    if j > low and starts[j] - starts[j - 1] <= visit:
        return False
    is_last = after == len(phone) or phone[after] != phone[i] or tenure[after] != tenure[i]
    if not is_last and starts[after] - starts[i] <= visit:
        return False
    of_two_sorts = kinds[i] != kinds[j] and not kinds[i] & kinds[j]
    return of_two_sorts and _compare(i, j, begin, name, named) != -1


@njit(cache=True)
def _split(
    phone, kinds, starts, ends, said, born, records, moved, named, begin, name,
    max_accounts, max_cards, silence, reregister_gap, names_differ, visit,
):  # fmt: skip
    count = len(phone)
    tenure = np.zeros(count, dtype=np.int64)
    shared = np.zeros(count, dtype=np.int64)
    began = np.zeros(count, dtype=np.int64)
    cut = np.zeros(count, dtype=np.int64)
    same = np.full(count, -1, dtype=np.int64)
    by_visit = np.zeros(count, dtype=np.int64)
    so_far = np.zeros(count, dtype=np.int64)  # why its tenure was shared when a hold joined it
    low = 0  # first hold of the current tenure
    i = -1
    while i + 1 < count:
        i += 1
        if i == 0 or phone[i] != phone[i - 1]:
            low = i
            continue
        latest, left = ends[low], True
        accounts, cards, interleaved, others = 0, 0, 0, 0
        followed = False  # a holder whom another person follows
        known = False  # a holder of the same name
        for j in range(low, i):
            latest = max(latest, ends[j])
            left = left and moved[j] == 1
            alike = _compare(i, j, begin, name, named)
            known = known or alike == 1
            # whoever took another number may live on: that she left this one is no end of the account
            life = born[i] - min(born[j], starts[j])
            wait = life if moved[j] == 1 else max(born[i] - ends[j], 0)
            at_once = ends[j] > starts[i]
            # of two people who appear in one second neither follows the other
            tied = starts[j] == starts[i]
            if kinds[i] & kinds[j]:
                # an account that replaces another comes after it, and soon
                differs = alike == -1 or (
                    alike == 0
                    and (
                        born[i] // DAY < ends[j] // DAY
                        or born[i] - ends[j] > reregister_gap
                        or _is_chance(records[j], records[i], life, wait)
                    )
                )
                # she may lose one and register the next on the same day, and some systems write no time of day
                if ends[j] // DAY > starts[i] // DAY or ((at_once or tied) and differs):
                    accounts += 1
                elif differs and alike == 0 and starts[i] - ends[j] <= silence:
                    # too soon for a number that was handed out again, and no proof of one person: a family's, perhaps
                    accounts += 1
                elif differs:
                    followed = True
            elif kinds[i] == 0 and kinds[j] == 0:
                cards += 1
                # whoever replaces a card uses it no more; of two issued on one day neither replaces the other, and both
                # in use are two people's, unless they say one name
                issued = starts[i] // DAY
                in_turns = min(records[i], records[j]) > 1 or starts[j] // DAY < issued < ends[j] // DAY
                if (at_once and (alike == -1 or (alike == 0 and in_turns))) or (tied and alike == -1):
                    interleaved += 1
                elif alike == -1:
                    followed = True
            elif alike == -1 and names_differ:
                if at_once or tied:
                    others += 1
                else:
                    followed = True
        at_one_time = accounts + interleaved + others
        cause = 0
        if followed and at_one_time == 0:
            cause = _HANDOVER
        elif left and at_one_time == 0 and starts[i] >= latest and not known:
            cause = _MOVED  # all who held it took other numbers
        elif said[i] > latest + silence and not known:
            cause = _SILENCE
        if cause:
            first = _first_of_newcomer(low, i, starts, kinds, begin, name, named) if cause == _HANDOVER else i
            for j in range(low, first):
                shared[j] = so_far[first - 1]
            # the next owner may have said it for a while before any holder of hers is known
            cut[first] = said[i] if first == i and said[i] > latest + silence else starts[first]
            tenure[first] = tenure[low] + 1
            began[first] = cause
            shared[first] = so_far[first] = 0
            # what she brought along is looked at anew, beside her own only
            low = i = first
            continue
        tenure[i] = tenure[i - 1]
        began[i], cut[i] = began[low], cut[low]
        shared[i] = shared[i - 1]
        if accounts + 1 > max_accounts:
            shared[i] = _ACCOUNTS
        elif interleaved > 0 or (kinds[i] == 0 and cards + 1 > max_cards):
            shared[i] = _CARDS
        elif others > 0:
            shared[i] = _NAMES
        # what makes a tenure shared holds for all of it
        so_far[i] = shared[i]
        for j in range(low, i):
            shared[j] = shared[i]
    low = 0
    for i in range(count):
        if i > 0 and (phone[i] != phone[i - 1] or tenure[i] != tenure[i - 1]):
            low = i
        if shared[i]:
            for j in range(low, i):
                if _compare(i, j, begin, name, named) == 1 and not kinds[i] & kinds[j]:
                    same[i] = j
                    break
            if same[i] == -1 and _taken_together(
                low, i, phone, tenure, starts, kinds, begin, name, named, visit
            ):
                same[i], by_visit[i] = i - 1, 1
    return tenure, shared, began, cut, same, by_visit
