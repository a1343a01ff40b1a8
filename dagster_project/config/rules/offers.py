"""rules/offers.yml: what is on offer, when and where."""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from dagster_project.config.rules.base import Fen, Rule
from dagster_project.lang import tr


class OnOffer(Rule):
    """An item, product or category on offer from a day to a day, both included; no stores means all of them."""

    item_name: str | None = None
    sku: str | None = None
    category: str | None = None
    since: date = Field(alias="from")
    until: date = Field(alias="to")
    stores: tuple[str, ...] = ()
    price_yuan: Fen | None = None

    @model_validator(mode="after")
    def _whole(self) -> OnOffer:
        if sum(name is not None for name in (self.item_name, self.sku, self.category)) != 1:
            raise ValueError(
                tr(
                    "item_name、sku、category 写其中一个",
                    "give one of item_name, sku and category",
                )
            )
        if self.until < self.since:
            raise ValueError(tr("to 早于 from", "to is before from"))
        return self


class OfferRules(Rule):
    """The file."""

    offers: tuple[OnOffer, ...] = ()
