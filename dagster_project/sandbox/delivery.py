"""What happens after `add_msg_template`: members press send hours later, or never.

Pure functions of the task, the Delivery settings and the clock: asked twice, the answer is the same, and nothing
is stored. Real rates are not published by the vendor; the defaults are our assumption.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from dagster_project.sandbox.clock import beijing_day
from dagster_project.sandbox.state import State
from dagster_project.sandbox.world import World

NOT_SENT, SENT, NOT_A_FRIEND, CAPPED = 0, 1, 2, 3


@dataclass(frozen=True)
class Delivery:
    """Shares in 0..1 and hours. `never`: members who never press send; `not_a_friend`, `capped`: customers.

    A member confirms `first_hour`..`last_hour` hours after the task was made, between 09:00 and 21:00 Beijing time.
    Beside the share `capped`, a customer gets one bulk message a day, as an administrator may set it.
    """

    never: float = 0.08
    not_a_friend: float = 0.02
    capped: float = 0.03
    first_hour: float = 0.5
    last_hour: float = 8.0


def draw(*parts: str) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    return int(hashlib.sha256("|".join(parts).encode()).hexdigest()[:12], 16) / 16**12


def _in_working_hours(unix: int) -> int:
    second = (unix + 8 * 3600) % 86400
    opens, closes = 9 * 3600, 21 * 3600
    if opens <= second < closes:
        return unix
    midnight = unix - second + (86400 if second >= closes else 0)
    return midnight + opens + second % 3600  # keeps the minute, so that members do not all send at nine sharp


def confirmed_at(message: dict[str, Any], sender: str, delivery: Delivery) -> int | None:
    """Unix second at which the member presses send; None for one who never does."""
    msgid = message["msgid"]
    if draw("never", msgid, sender) < delivery.never:
        return None
    hours = delivery.first_hour + draw("hours", msgid, sender) * (delivery.last_hour - delivery.first_hour)
    return _in_working_hours(message["create_time"] + int(hours * 3600))


def _own_outcome(
    message: dict[str, Any], sender: str, target: str, at: int, delivery: Delivery, world: World
) -> int:
    contact = world.contacts.get(target)
    if message["chat_type"] == "single" and (contact is None or contact.follow_of(sender, at) is None):
        return NOT_A_FRIEND
    if draw("friend", message["msgid"], target) < delivery.not_a_friend:
        return NOT_A_FRIEND
    if draw("cap", message["msgid"], target) < delivery.capped:
        return CAPPED
    return SENT


def outcome(
    message: dict[str, Any],
    sender: str,
    target: str,
    *,
    now: int,
    state: State,
    world: World,
    delivery: Delivery,
) -> tuple[int, int | None]:
    """(status 0..3, send_time) of one customer or chat of a task; send_time only for status 1."""
    at = confirmed_at(message, sender, delivery)
    if at is None or at > now:
        return NOT_SENT, None
    status = _own_outcome(message, sender, target, at, delivery, world)
    if status != SENT:
        return status, None
    for msgid, other_sender in state.received.get(target, ()):
        other = state.messages[msgid]
        then = confirmed_at(other, other_sender, delivery)
        if then is None or (then, msgid, other_sender) >= (at, message["msgid"], sender):
            continue
        # the first that may reach the customer that day does; so any earlier one that day caps this one
        if beijing_day(then) == beijing_day(at) and (
            _own_outcome(other, other_sender, target, then, delivery, world) == SENT
        ):
            return CAPPED, None
    return SENT, at
