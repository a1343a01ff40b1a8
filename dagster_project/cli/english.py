"""Help texts in English; the Chinese ones stand at the commands. Loaded only when somebody reads English."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """`about`: the text above the options. `options`: help by name of the parameter."""

    about: str
    options: dict[str, str]


_CHAIN = {"chain": "the chain folder"}

PAGES = {
    "linli": Page(
        """Linli (邻里): a member warehouse for community fresh-food chains.

        \b
        First: linli demo            makes a demo chain and runs all of it
        Then:  linli init my_chain   makes a chain folder of your own
        """,
        {"lang": "language of all output"},
    ),
    "demo": Page(
        """Makes a demo chain, runs it night by night, pushes coupons to the sandbox, writes reports. Safe to repeat.

        \b
        Example: linli demo
                 linli demo --persons 20000 --stores 20 --days 60 --out data/big
        """,
        {
            "persons": "people; with it the baskets are synthetic, without it real",
            "stores": "shops",
            "days": "days",
            "seed": "random seed; the same seed gives the same chain",
            "out": "folder to write to",
        },
    ),
    "init": Page(
        """Makes a new chain folder with comments.

        \b
        Example: linli init my_chain
        """,
        {},
    ),
    "inspect": Page(
        """Looks at an export: encoding, header, what each column is, quality of phone numbers, which preset reads it.

        Reads only; no full phone number, name or address is printed. --write makes a connection for chain.yml and,
        where no preset fits, a mapping of the columns.

        \b
        Example: linli inspect sales.xlsx members.csv --as pos_main --write joining
        """,
        {
            "name": "name of the connection to write (letters, digits, _)",
            "folder": "folder to write the connection and its mapping to",
            "password": "password of locked files",
            "lang": "language of the output",
        },
    ),
    "run": Page(
        """Lands, checks, models, publishes, reports: the very job that the schedule runs at 02:00.

        \b
        Example: export WECOM_SECRET=demo
                 linli run --chain data/demo --date 2026-11-21
                 linli run --chain data/demo --from 2026-08-01 --to 2026-11-21
        Exit code 1 when a blocking check fails; the last publication stays.
        """,
        {
            **_CHAIN,
            "night": "run one night",
            "start": "first night",
            "end": "last night",
            "each_night": "publish every night of the range in turn (default: once, as of the last)",
            "full_refresh": "rebuild everything from the lake",
        },
    ),
    "push": Page(
        """Checks the night's decisions again and sends coupons and messages; by default a preview that sends nothing.

        \b
        Example: export WECOM_SECRET=demo
                 linli push --chain data/demo --date 2026-11-21
                 linli push --chain data/demo --date 2026-11-21 --live
        For a live push of the demo: linli sandbox --chain data/demo --at "2026-11-22 10:30" &
        Repeating it sends nothing twice; after an interruption run it again.
        """,
        {
            **_CHAIN,
            "night": "the night whose decisions are sent",
            "live": "really send; without it a preview",
            "instant": "when to send: an ISO time or now; default is each campaign's send_at on the next day",
        },
    ),
    "markdown": Page(
        """Makes tonight's markdown list and its audience from the afternoon's stock count, publishes them, tells people.

        The very job that the schedule runs at 16:05. The night before has to be published. Running it again changes no
        list and tells nobody twice; after start_at nobody is told any more.

        \b
        Example: linli markdown --chain data/demo --date 2026-11-22
                 export WECOM_SECRET=demo
                 linli markdown --chain data/demo --date 2026-11-22 --live
        """,
        {
            **_CHAIN,
            "day": "the day of the count",
            "live": "really tell people; without it a preview of that, the list is published either way",
            "instant": "when to send: an ISO time or now; default is push_at of that day",
        },
    ),
    "score": Page(
        """Scores identity: the published record_members against a file of truth.

        \b
        Example: linli score --chain data/demo --truth data/demo/truth/records.csv
        """,
        {**_CHAIN, "truth": "truth as CSV: connection, feed, record_id, person_id"},
    ),
    "explain": Page(
        """Says why records are one member.

        \b
        Example: linli explain member maabhboggjkgopgdn --chain data/demo
        """,
        _CHAIN,
    ),
    "explain member": Page(
        """A member, its identifiers, events and household; the evidence path from each identifier to the earliest one,
        or between two records; and every link that was not followed, with its reason.

        Reads the current publication and the lake only, so it works while a night is running. A record is
        connection|feed|key, in quotes.

        \b
        Example: linli explain member maabhboggjkgopgdn --chain data/demo
                 linli explain member maabhboggjkgopgdn 'pos_main|members|0060008112'
                 'group_main|orders|G2026112100017' --chain data/demo
        """,
        _CHAIN,
    ),
    "suggestions": Page(
        """Lists pairs of members who may be one person; decisions go to rules/identity_decisions.yml.

        Suggestions only, nothing is merged by itself; a decision holds from the next night. Needs Splink:
        pip install "splink>=5.0,<5.1"

        \b
        Example: linli suggestions --chain data/demo --limit 5
                 linli suggestions --chain data/demo --accept 3f9c2a71b04e --by MgrA --why "asked her"
        """,
        {
            **_CHAIN,
            "limit": "pairs to list at most",
            "accept": "this pair is one person",
            "reject": "this pair is two people",
            "by": "who decided",
            "why": "why",
        },
    ),
    "segment": Page(
        """Segments.

        \b
        Example: linli segment preview rules/segments.yml --chain data/demo
        """,
        {},
    ),
    "segment preview": Page(
        """Whom a file of segments would give: sizes, overlaps, what remains after each condition, masked examples.

        Reads the newest publication only and writes nothing, so it works while a night runs. What is wrong in the file
        is told with line and key; the exit code is 1.

        \b
        Example: linli segment preview rules/segments.yml --chain data/demo --limit 5
        """,
        {**_CHAIN, "only": "only this segment", "limit": "examples at most"},
    ),
    "metric": Page(
        """The numbers of the reports, defined once: pages, notebooks and this count alike. Without a name, lists them all.

        Reads the newest publication only, so it works while a night runs. In CSV money is in fen and a ratio a fraction.

        \b
        Example: linli metric net_fen purchases recognition_rate --by store_code --chain data/demo
                 linli metric net_fen --by month --where channel=groupbuy --csv --chain data/demo
        """,
        {
            **_CHAIN,
            "by": "what to split by, may be given several times: day, month, store_code, …",
            "where": "count these only, may be given several times",
            "since": "first day",
            "until": "last day",
            "as_csv": "write CSV",
        },
    ),
    "simulate": Page(
        """Writes a simulated chain: configuration, nightly exports, a WeCom world, and what is true in truth/.

        \b
        Example: linli simulate --out /tmp/chain --basis synthetic --persons 500 --stores 2 --days 14
                 export WECOM_SECRET=demo
                 linli sandbox --chain /tmp/chain --at "2026-11-22 02:00" &
                 linli run --chain /tmp/chain --from 2026-11-08 --to 2026-11-21
        """,
        {
            "out": "folder to write to",
            "basis": "real replays real baskets (Complete Journey), synthetic makes any number of them",
            "persons": "people; real takes all 2,469 households without it, synthetic 20000",
            "stores": "shops",
            "days": "days (at most 360 of real ones)",
            "seed": "random seed; the same seed gives the same bytes",
            "end": "last business day",
            "events": "write truth/events.csv.gz: one row per business event, to check numbers against",
            "traps": "a world in which identity goes wrong at known rates (changed and recycled numbers, family "
            "phones, placeholders, …): 243 days by default, the history in one night, then some single nights. "
            "default takes the packaged rates; their file, to copy and change, is written to OUT/truth/traps.yml",
        },
    ),
    "sandbox": Page(
        """Serves a simulated WeCom API, or a vendor's (--vendor).

        On this machine only; WeCom's data are those of <chain>/sandbox/wecom_world.json.

        \b
        Example: linli sandbox --chain data/demo --at "2026-11-22 10:30"
        In the terminal of run and push use the same secret: export WECOM_SECRET=demo
        """,
        {
            **_CHAIN,
            "port": "port on this machine, 0 for any; default: that of chain.yml, else 8701",
            "secret": "secret of the app that is accepted",
            "vendor": "serve one vendor's lookalike instead: pospal, keruyun, twodfire, youzan, ktt, weimob (its last three days)",
            "at": "hold the sandbox's clock at this moment (Beijing time); default: real time",
            "faults": "list of faults as JSON",
        },
    ),
    "bench": Page(
        """Runs benchmarks, all of them unless one is named. Figures vary with load; run them on an idle machine.

        \b
        Example: linli bench simulate
        """,
        {},
    ),
    "bench ingest": Page(
        """Seconds to land one day's file, beside DuckDB's bare copy to Parquet and dlt's load of the same file.

        \b
        Example: linli bench ingest --rows 1200000
        """,
        {"rows": "rows of the file", "with_dlt": "run dlt too (minutes)"},
    ),
    "bench identity": Page(
        """How well and how fast One ID tells people: beside Splink, scipy, recursive SQL and a join by phone.

        All start from the same links, each in a process of its own with two threads; the truth is known. A million
        people take about ten minutes and a few GB of disk.

        \b
        Example: linli bench identity
                 linli bench identity --members 1000000 --members 5000000
        """,
        {
            "sizes": "people; may be given several times",
            "with_others": "run the other ways too",
            "seed": "random seed; the same seed gives the same world",
            "rates_file": "rates of the traps (YAML); what is not in it keeps its default",
        },
    ),
    "bench marts": Page(
        """Seconds of the member centre's models: everything at once, one night more, after a longer past, many segments.

        The world is made up: what staging and One ID hold is written straight away and not counted. dbt builds and tests
        as in a night; beside it bare DuckDB runs the same SQL in one process (the floor, no tests). At the default size it
        takes about an hour and tens of GB of disk.

        \b
        Example: linli bench marts
                 linli bench marts --members 100000 --slowest 10
        """,
        {
            "members": "members",
            "nights": "nights of history",
            "orders_a_night": "orders a night, of 4 lines on average; default: a fortieth of the members",
            "grown": "measure a night also after so many times the history; 0: not",
            "segments": "judge so many generated segments in runs of their own; 0: none",
            "slowest": "list so many of the slowest models of every step",
        },
    ),
    "bench simulate": Page(
        "Lines per second that the simulator writes.", {"events": "write the event log too"}
    ),
}
