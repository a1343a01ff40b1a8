"""Rules and decisions of One ID."""

from __future__ import annotations

from dagster_project.config import Chain
from dagster_project.privacy import ChainKey, classify_phone
from dagster_project.privacy.phones import DUMMY_NUMBERS
from dagster_project.warehouse.ops.table import BOOLEAN, DATE, INTEGER, NUMBER, TEXT, Night, OpsTable, Row


def placeholder_tokens(chain: Chain, key: ChainKey) -> list[str]:
    """Tokens of numbers that belong to nobody, sorted."""
    token = key.token_maker()
    phones = map(classify_phone, {*chain.rules.identity.placeholder_phones, *DUMMY_NUMBERS})
    return sorted({token(phone.e164) for phone in phones if phone is not None and phone.e164 is not None})


_LIMITS = {
    "max_wechat_accounts_per_phone": INTEGER, "max_cards_per_phone": INTEGER, "use_wecom_remark": BOOLEAN,
    "payer_min_tickets": INTEGER, "payer_member_tickets": INTEGER, "max_phones_per_member": INTEGER,
    "number_silence_days": INTEGER, "reregister_gap_days": INTEGER, "former_link_min_days": INTEGER,
    "max_household_members": INTEGER, "remark_needs_proof": BOOLEAN, "name_agreement_min_share": NUMBER,
    "name_agreement_min_pairs": INTEGER, "two_places_times": INTEGER, "travel_kmh": INTEGER,
    "till_clock_minutes": INTEGER, "visit_minutes": INTEGER, "home_store_max_m": INTEGER,
}  # fmt: skip
# column → key of rules/identity.yml, where they differ
_KEYS = {"home_store_max_m": "home_store_max_km"}
_HEALTH = {
    "suspect_min_people": INTEGER, "suspect_factor": NUMBER, "suspect_tickets_a_day": INTEGER,
    "suspect_busy_days": INTEGER, "usual_min_identifiers": INTEGER, "alarm_factor": NUMBER,
    "alarm_min_statements": INTEGER, "alarm_days": INTEGER, "alarm_min_days": INTEGER, "shown_days": INTEGER,
}  # fmt: skip


def _limits(night: Night) -> list[Row]:
    rules = night.rules.identity
    return [(*(getattr(rules, _KEYS.get(name, name)) for name in _LIMITS), rules.hash)]


def _decisions(night: Night) -> list[Row]:
    return [
        (d.decision, *d.record_a, *d.record_b, d.since, d.by, d.why, d.line)
        for d in night.rules.identity_decisions
    ]


TABLES = (
    OpsTable("rule_identity", {**_LIMITS, "rule_hash": TEXT}, _limits),
    OpsTable(
        "identity_decisions",
        {"decision": TEXT, "connection_a": TEXT, "feed_a": TEXT, "record_id_a": TEXT, "connection_b": TEXT,
         "feed_b": TEXT, "record_id_b": TEXT, "since": DATE, "decided_by": TEXT, "why": TEXT, "line": INTEGER},
        _decisions,
    ),
    OpsTable(
        "rule_identity_health",
        dict(_HEALTH),
        lambda night: [tuple(getattr(night.rules.identity.health, name) for name in _HEALTH)],
    ),
    OpsTable(
        "placeholder_phones",
        {"phone_token": TEXT},
        lambda night: [(token,) for token in placeholder_tokens(night.chain, night.key)],
    ),
)  # fmt: skip
