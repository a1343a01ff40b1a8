"""Simulated chains: real receipts or generated baskets, with an identity world whose truth is known.

`simulate` writes a whole chain folder:

    chain.yml, stores.csv                    pos_main, group_main, wecom and two targets
    landing/<connection>/<feed>/<night>/     the contract's feeds in mixed formats
    sandbox/wecom_world.json                 corp_id, staff, contacts, tag_groups, group_chats for the WeCom sandbox:
        contacts      external_userid, name, type, gender, unionid | null, follow: list of userid, remark, description,
                      createtime, tag_id, remark_mobiles, add_way, oper_userid, state, deleted_at | null,
                      tag_times: list of [tag_id, since, until | null] of tags that were not always there
        tag_groups    group_id, group_name, tags: list of id, name, create_time
        group_chats   chat_id, name, owner, status, create_time, members: list of userid, type, unionid | null, join_time,
                      join_scene, invitor: {userid} | null, left_at | null, name, state        (all times are Unix seconds)
    truth/records.csv       connection, feed, record_id, person_id: every record that names or hides a person
    truth/effects.csv       person_id, household_id, home_store, coupon_effect (how likely a coupon changes a "no"),
        price_sensitivity, markdown_effect (how much more of a marked-down article the person takes)
    truth/events.csv.gz     what happened, one row per business event (see `events`)
    truth/markdowns.csv     store_code, business_date, price_factor: evenings on which leafy vegetables were cheaper
    truth/experiments.csv   the win-back trial of the past: arm, and whether the person returns with and without the coupon
    truth/identifiers.csv   who held which phone, card, unionid, external_userid, from when to when
    truth/traps.csv         which persons carry which trap of identity; with `traps`: person_id, trap, role (subject
        or the part the other one plays), namespace, identifier (a card or openid; empty for phones), since,
        other_person_id. There is no win-back trial then, and no experiments.csv.

Nothing in `truth/` is an input of the pipeline.
"""

from dagster_project.simulator.run import SimulationSummary, bench, simulate
from dagster_project.simulator.settings import Rates
from dagster_project.simulator.traps.rates import Traps, load_traps

__all__ = ["Rates", "SimulationSummary", "Traps", "bench", "load_traps", "simulate"]
