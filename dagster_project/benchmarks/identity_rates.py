"""How often what happens in the benchmark's world of members; `linli bench identity --rates FILE` changes any of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dagster_project.config.document import read_document
from dagster_project.lang import tr

Share = Annotated[float, Field(ge=0, le=1)]
Mean = Annotated[float, Field(ge=0, le=100)]
Size = Annotated[int, Field(ge=2, le=10_000)]

# traps of which one person (or one card) falls into at most one, in the order in which they are drawn
NUMBER_TRAPS = ("recycled_number", "family_phone", "number_change", "two_phones")
CARD_TRAPS = (
    "cashier_hub", "shop_phone", "placeholder_listed", "placeholder_unlisted", "mistyped_digit", "swapped_card",
    "handed_on_card",
)  # fmt: skip


class Rates(BaseModel):
    """Shares lie in 0 … 1. The defaults make about 3.65 links a person, as in a chain that uses all its channels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # what people have
    card: Share = 0.82
    phone_on_card: Share = 0.93
    openid_on_card: Share = 0.27
    mall_account: Share = 0.72
    mini_account: Share = 0.41
    unionid_known: Share = 0.92  # of accounts, also of those on cards
    verified_phone: Share = 0.68  # of accounts
    unverified_phone: Share = 0.12  # of accounts
    contact: Share = 0.42
    unionid_of_contact: Share = 0.85
    phone_in_remark: Share = 0.2  # of contacts
    orders: Mean = 1.0  # a mall account with a verified phone, while it is in use
    tickets: Mean = 2.0  # a card holder, while the card is in use; they say a card or a phone
    payer_on_ticket: Share = 0.3  # of persons: their tickets carry the account that paid as well
    shared_payer: Share = 0.03  # of these: somebody else's account pays
    met_on_a_visit: Share = 0.9  # of accounts and contacts: begun in the shop, on a visit, when there was one

    # what time leaves behind
    row_moves: Share = 0.5  # of cards and accounts: the row's version is renewed as long as it is in use
    former_seen: Share = 0.7  # of replaced numbers: the version before was landed too

    # names, as keyed tokens
    name_on_card: Share = 0.6
    name_on_order: Share = 0.7
    other_receiver: Share = 0.1  # of these: the name is somebody else's
    name_in_remark: Share = 0.3
    common_name: Share = 0.3  # of persons: the name is one of a few thousand

    # traps of a person's number, as shares of persons
    recycled_number: Share = 0.01  # gives the number up; after the freeze a stranger gets it
    stale_card: Share = 0.2  # of these: the member file goes on stating the old number
    family_phone: Share = 0.02  # lives on a family's number
    number_change: Share = 0.03
    two_phones: Share = 0.02

    # traps of a card, as shares of cards
    cashier_hub: Share = 0.003  # carries the cashier's own number
    shop_phone: Share = 0.002
    placeholder_listed: Share = 0.003
    placeholder_unlisted: Share = 0.002
    mistyped_digit: Share = 0.005
    mistyped_hits: Share = 0.02  # of these: the wrong number is another customer's
    swapped_card: Share = 0.0005  # shows the number of the customer it was mixed up with
    handed_on_card: Share = 0.001
    two_cards: Share = 0.03
    cards_per_hub: Size = 120
    cards_per_shop: Size = 60
    cards_per_placeholder: Size = 300

    # traps of an account
    reregistered: Share = 0.01  # of persons with a mall account
    reregistered_after: Mean = 10.0  # days from the last use of the old account to the new one, on average
    wrong_remark: Share = 0.02  # of contacts with a remark

    # one more night
    new_tonight: Share = 0.01  # of records
    revoked_tonight: Share = 0.002  # of links

    @model_validator(mode="after")
    def _sums(self) -> Rates:
        for names in (NUMBER_TRAPS, CARD_TRAPS, ("verified_phone", "unverified_phone")):
            if sum(getattr(self, name) for name in names) > 1:
                listed = " + ".join(names)
                raise ValueError(tr(f"{listed} 加起来不能超过 1", f"{listed} must not exceed 1"))
        return self


def load_rates(path: Path | None) -> Rates:
    """The defaults, changed by the keys of a YAML file.

    Raises:
        ConfigError: not readable, an unknown key, or a share out of range; names the line.
    """
    return Rates() if path is None else read_document(path).parse(Rates)
