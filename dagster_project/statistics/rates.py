"""Two rates compared. Counts are members, rates and p values 0 to 1."""

from __future__ import annotations

from math import erfc, exp, sqrt

Z_95 = 1.959963984540054
# effects of this size are looked for: five members more of a hundred
EFFECT = 0.05


def newcombe_interval(
    hits: int, members: int, base_hits: int, base_members: int, z: float = Z_95
) -> tuple[float, float] | None:
    """Interval of the difference of two independent rates; None when an arm has nobody.

    Newcombe's hybrid of two Wilson intervals (Statistics in Medicine 17, 1998, method 10): it stays within -1 and 1 and
    holds for arms of a handful and for rates of 0 and 1.
    """
    if members <= 0 or base_members <= 0:
        return None
    rate, base = hits / members, base_hits / base_members
    low, high = _wilson(hits, members, z)
    base_low, base_high = _wilson(base_hits, base_members, z)
    difference = rate - base
    return (
        difference - sqrt((rate - low) ** 2 + (base_high - base) ** 2),
        difference + sqrt((high - rate) ** 2 + (base - base_low) ** 2),
    )


def _wilson(hits: int, members: int, z: float) -> tuple[float, float]:
    rate, square = hits / members, z * z
    middle = (hits + square / 2) / (members + square)
    half = z / (members + square) * sqrt(members * rate * (1 - rate) + square / 4)
    return middle - half, middle + half


def sample_ratio_p(members: int, base_members: int, share: float) -> float | None:
    """Chance of arms at least as far from the planned split, by chi-square with one degree of freedom.

    Args:
        share: planned share of the first arm. None comes back when nobody is assigned or the plan has one arm only.
    """
    total = members + base_members
    if total == 0 or not 0 < share < 1:
        return None
    distance = members - total * share
    chi_square = distance * distance / (total * share * (1 - share))
    return erfc(sqrt(chi_square / 2))


def always_valid_p(hits: int, members: int, base_hits: int, base_members: int) -> float | None:
    """p value of no difference that may be looked at every night; None when an arm has nobody.

    The mixture sequential probability ratio of a normal difference (Johari, Koomen, Pekelis and Walsh, KDD 2017), the same
    thing as the asymptotic confidence sequence of Robbins' mixture: under no difference it falls below 0.05 on any night of
    all in five experiments of a hundred at most. One hit and one miss more per arm keep the variance from vanishing.
    """
    if members <= 0 or base_members <= 0:
        return None
    rate, base = (hits + 1) / (members + 2), (base_hits + 1) / (base_members + 2)
    variance = rate * (1 - rate) / (members + 2) + base * (1 - base) / (base_members + 2)
    wide = variance + EFFECT**2
    evidence = EFFECT**2 * (rate - base) ** 2 / (2 * variance * wide)
    # beyond 700 the exponential is 0 anyway
    return min(1.0, sqrt(wide / variance) * exp(-min(evidence, 700.0)))
