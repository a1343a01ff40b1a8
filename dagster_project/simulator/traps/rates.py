"""How often each trap of identity happens: the packaged rates, or a YAML file of other ones."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dagster_project.config.document import read_document

DEFAULT = "default"

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Traps(BaseModel):
    """Shares of all persons (0…1) who are the subject of a trap; the rest is told at the field.

    The same numbers, with their meaning in Chinese, stand in data/traps.yml.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    single_nights: int = Field(default=3, ge=1, le=60)  # nights that arrive singly after the history
    freeze_days: int = Field(default=90, ge=0, le=400)  # between the old holder of a number and the new one

    recycled_number: Share = 0.012
    number_change: Share = 0.045
    family_phone: Share = 0.04
    family_card: Share = 0.35  # of those: the card is shared too
    cashier_hub: Share = 0.03
    shop_phone: Share = 0.012
    placeholder: Share = 0.012
    placeholder_new: Share = 0.5  # of the shops: their number stands on no list
    mistyped_digit: Share = 0.014
    mistyped_hits: Share = 0.25  # of those: the wrong number is another customer's
    mistyped_corrected: Share = 0.5  # of those: corrected later
    swapped_card: Share = 0.008
    swapped_for_good: Share = 0.4  # of those: handed to another person for good
    two_phones: Share = 0.03
    two_cards: Share = 0.03
    reregistered_openid: Share = 0.015
    reregister_gap_days: int = Field(default=20, ge=0, le=120)  # of those: at most so long without WeChat
    masked_number: Share = 0.03
    receiver_not_buyer: Share = 0.06
    wrong_remark: Share = 0.02
    remark_other: Share = 0.65  # of those: another customer's number, else a wrong digit
    twins: Share = 0.012
    shared_payer: Share = 0.03


TRAPS = (
    *("recycled_number", "number_change", "family_phone", "cashier_hub", "shop_phone", "placeholder"),
    *("mistyped_digit", "swapped_card", "two_phones", "two_cards", "reregistered_openid", "masked_number"),
    *("receiver_not_buyer", "wrong_remark", "twins", "shared_payer"),
)


def load_traps(source: str) -> tuple[Traps, str]:
    """The rates and the text of their file, which is `default` (packaged) or a path.

    Raises:
        ConfigError: no such file, an unknown key or a value out of range, with file and line.
    """
    if source == DEFAULT:
        with as_file(files("dagster_project.simulator").joinpath("data/traps.yml")) as packaged:
            return _read(packaged)
    return _read(Path(source))


def _read(path: Path) -> tuple[Traps, str]:
    document = read_document(path, resolve=False)
    return document.parse(Traps), path.read_text("utf-8-sig")
