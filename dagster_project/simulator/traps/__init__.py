"""A chain in which identity goes wrong at known rates, over months, written as the usual feeds.

The plain world is the base; here its persons get other numbers, cards, accounts and habits, and what the till, the
group-buy platform and the staff wrote down follows from those. `rates` says how often, `persons` to whom,
`habits` who buys when, `cards` what the member file says on which day, `till`, `orders`, `contacts` and `accounts`
what each system saw, `notes` what is written to truth/traps.csv.
"""

from dagster_project.simulator.traps.rates import TRAPS, Traps, load_traps

__all__ = ["TRAPS", "Traps", "load_traps"]
