"""What a simulated chain is made of: its size and the rates of everything that goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

Basis = Literal["real", "synthetic"]

POS = "pos_main"
GROUP = "group_main"
WECOM = "wecom"
CORP_ID = "demo"

# One WeChat open account joins mini-program, official account and WeCom (same unionid); the payment
# merchant has an appid of its own, so its openids match nobody else's.
MINI_APPID = "wx7d2f4a91c05be318"
H5_APPID = "wx1b8e60d37fa94c25"
PAY_APPID = "wxe95c3307b64d12af"


@dataclass(frozen=True)
class Rates:
    """Shares in 0…1 unless the name says otherwise. Defaults give a chain that recognises < 40 % unlinked."""

    yuan_per_dollar: float = 5.0  # real basis: dollars of the original receipts → plausible yuan
    adults_two: float = 0.52  # households with a second, with a third adult
    adults_three: float = 0.07
    adults_four: float = 0.0
    # at the till
    card_holder: float = 0.66
    card_opened_inside: float = 0.12  # of cards: opened within the simulated days
    card_shown: float = 0.61  # mean share of a holder's tickets with the card
    phone_said: float = 0.40  # mean share of the other tickets with a phone said aloud
    pay_wechat: float = 0.67
    pay_alipay: float = 0.15
    pay_card: float = 0.05  # the rest is cash
    face_ticket: float = 0.03
    # group buying
    group_user: float = 0.58
    user_registered_inside: float = 0.14
    user_phone_verified: float = 0.93
    user_unionid: float = 0.93
    h5_user: float = 0.10
    group_share: float = 0.42  # mean share of a group buyer's baskets that are ordered in the group
    order_phone_verified: float = 0.88
    order_phone_unverified: float = 0.05
    order_phone_masked: float = 0.05
    receiver_other: float = 0.11
    receiver_masked: float = 0.05
    order_unpaid: float = 0.025
    order_closed: float = 0.008
    order_refund: float = 0.03
    help_sell_outside: float = 0.02
    help_sell_ours: float = 0.008
    test_order: float = 0.002
    complaint: float = 0.010
    complaint_withdrawn: float = 0.15
    sharer: float = 0.07
    # WeCom
    wecom_contact: float = 0.55
    wecom_unionid: float = 0.95
    remark_phone: float = 0.45
    remark_phone_wrong: float = 0.02
    second_staff: float = 0.08
    group_member: float = 0.62
    contact_deleted: float = 0.03
    chat_left: float = 0.05
    # member records
    card_unionid: float = 0.50
    card_openid: float = 0.70
    card_phone_missing: float = 0.04
    card_phone_masked: float = 0.03
    card_phone_placeholder: float = 0.004
    card_phone_mistyped: float = 0.006
    # traps of identity
    number_changed: float = 0.04
    number_recycled: float = 0.01
    record_follows_number: float = 0.65
    second_phone: float = 0.03
    second_card: float = 0.02
    family_phone: float = 0.04  # of second adults: they gave the first adult's number
    handed_card: float = 0.003
    new_wechat: float = 0.008
    partner_pays: float = 0.005
    # traps of one ticket, as shares of the phones said aloud
    said_mistyped: float = 0.008
    said_cashier: float = 0.012
    said_shop: float = 0.004
    said_placeholder: float = 0.005
    said_masked: float = 0.015
    # how files arrive
    late_few_days: float = 0.012
    late_weeks: float = 0.003
    corrected: float = 0.006
    file_repeated: float = 0.01
    # other counter events
    ticket_return: float = 0.010
    return_unlinked: float = 0.08
    ticket_void: float = 0.004
    recharge: float = 0.006
    points_spent: float = 0.05
    points_unposted: float = 0.004
    coupon_ticket: float = 0.03
    voucher_ticket: float = 0.004
    coupon_double: float = 0.01  # of redeemed codes: redeemed a second time in the other channel
    # what is wrong in the books of points: the ledgers of the sources are as they are
    points_expired: float = 0.06  # of cards with points from before: what is left of them expires one night
    points_overdrawn: float = 0.05  # of tickets paid with points: with more than the card had
    reversal_unposted: float = 0.08  # of voids and returns: the points of the sale stay
    balance_wrong: float = 0.01  # of cards: the member file shows another balance than was posted
    # what is wrong with coupons; the win-back ones stay clean, their effect is measured
    coupon_other: float = 0.02  # of used codes: issued to another adult of the household
    coupon_early: float = 0.02  # of used codes: the issue is dated after the use
    coupon_unissued: float = 0.02  # of used codes: nobody ever issued them
    coupon_twice: float = 0.02  # of used codes: used again in the same channel
    coupon_late: float = 0.05  # of unused codes: used after they expired or were voided
    coupon_use_unposted: float = 0.02  # of group orders with a code: its use is not posted
    # orders that are not paid at once
    unpaid_holding: float = (
        0.35  # of unpaid orders: hold a coupon (half) or points (half) until paid or closed
    )
    order_paid_late: float = 0.25  # of unpaid orders: paid the next morning
    refund_late: float = 0.05  # of refunds: finished more than a month after the order
    # who brings whom
    invite_self: float = 0.10  # of sharers: order with their own code
    invite_second_account: float = 0.40  # the same, of sharers who have a second account
    invite_circle: float = (
        0.10  # of threes of sharers in a shop: two or three who brought each other in a circle
    )
    inviter_invited: float = 0.30  # of the other sharers: were brought themselves
    # who gets the credit for a join
    chat_state: float = 0.75  # of those who scanned a group's code: the code was a cashier's own
    contact_state: float = (
        0.50  # of contacts: added through a staff member's own code, else through the shop's
    )
    tag_changes: float = 0.35  # of tagged contacts: the tag is taken off, or another one comes
    staff_customer: float = 0.35  # of cashiers without WeCom: shop with a card of their own (rounded up)
    # goods
    stock_carried: float = 0.06  # of counts of goods that keep: nothing came that day, yesterday's is sold
    markdown_day: float = 0.40  # of shop-days: leafy vegetables at half price from 17:00
    store_unlocated: float = 0.15  # of three shops or more: have no coordinates (rounded up)
    consent_yes: float = 0.62
    consent_no: float = 0.08
    opt_out_inside: float = 0.015


@dataclass(frozen=True)
class World:
    """One simulated chain. Day numbers count from `start` (0) to the last business day (`days` - 1).

    `single_nights`: None when every day's files arrive in its own night; else all days but the last ones arrive at
    once, as when a chain hands over its history, and this many nights come singly after it.
    """

    basis: Basis
    persons: int | None
    stores: int
    days: int
    seed: int
    end: date
    rates: Rates = field(default_factory=Rates)
    single_nights: int | None = None

    def __post_init__(self) -> None:
        if self.basis not in ("real", "synthetic"):
            raise ValueError(f"basis {self.basis!r}: real or synthetic")
        if self.basis == "synthetic" and not self.persons:
            raise ValueError("the synthetic basis needs a number of persons")
        for name, value, least in (
            ("persons", self.persons, 1),
            ("stores", self.stores, 1),
            ("days", self.days, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if self.basis == "real" and self.days > 360:
            raise ValueError("the real receipts cover one year: at most 360 days")
        if self.basis == "real" and self.single_nights is not None:
            raise ValueError("the world with traps is made, not replayed: use --basis synthetic")

    @property
    def start(self) -> date:
        return self.end - timedelta(days=self.days - 1)

    @property
    def first_night(self) -> int:
        """Day number of the first landing night."""
        return 0 if self.single_nights is None else self.days - 1 - self.single_nights

    def night(self, day: int) -> date:
        return self.start + timedelta(days=day)

    @property
    def store_codes(self) -> list[str]:
        width = max(2, len(str(self.stores)))
        return [f"S{number:0{width}d}" for number in range(1, self.stores + 1)]
