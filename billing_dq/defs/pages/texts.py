"""What Dagster's pages say of each asset: what it answers, how to read it, what to do. All texts in one place.

Not here: the figures of a night.
"""

from collections.abc import Mapping
from typing import NamedTuple

#: Who answers for the nights; one owner, since one team runs them.
OWNERS = ("team:billing",)
#: Where people begin: `tag:"billing_dq/read"="first"` in the catalog.
_READ_FIRST = ("report", "findings", "nightly_report")
#: What to do with a table that was read.
_SOURCE = "Nothing by hand. Where a check here is red, the reading itself went wrong: start there, before any finding."
_STRIPE = "Nothing by hand. It does not exist in a night in which Stripe was not read: `stripe_reading` says why."


class AssetText(NamedTuple):
    """The domain that an asset is about, the question that it answers, how to read it, and what to do with it."""

    domain: str
    question: str
    reading: str
    doing: str = _SOURCE

    def markdown(self, one_row: str | None = None) -> str:
        """The description; ``one_row`` says what a row of the table is."""
        row = f" One row is {one_row}." if one_row else ""
        # the question without marks: the catalog shows a description's first line as it is written
        return f"{self.question}\n\n**Read it:** {self.reading}{row}\n\n**Do:** {self.doing}"


def tags_of(name: str) -> dict[str, str]:
    """The tags of an asset: what it is about, and whether it is among the few that people open first."""
    return {"billing_dq/domain": TEXTS[name].domain, **({"billing_dq/read": "first"} if name in _READ_FIRST else {})}


def _about(domain: str, **texts: tuple[str, str] | tuple[str, str, str]) -> dict[str, AssetText]:
    return {name: AssetText(domain, *text) for name, text in texts.items()}


TEXTS: Mapping[str, AssetText] = {
    **_about(
        "application",
        organizations=("Which organizations are there?", "As the application's documents have them."),
        subscriptions=(
            "Which plan and status does the application give each organization?",
            "The dates are the application's markers of what it last heard from Stripe.",
        ),
        dead_lettered_events=(
            "Which of Stripe's events did the application give up on?",
            "`last_error` is the application's own.",
            "Replay each event, or delete it where it must not be applied.",
        ),
        quarantined_documents=(
            "Which documents could not be read?",
            "Each field that breaks the contract, with the reason; what it hides is `unreadable`, never right.",
            "Have the application mend the document; the next night reads it.",
        ),
        unreadable_keys=(
            "What may not be judged, because a document could not be read?",
            "An organization, or one of its weeks; no finding about it is new or resolved that night.",
            "Mend the documents in `quarantined_documents`.",
        ),
        snapshot_facts=(
            "When and how was MongoDB read?",
            "`as_of` is the instant of the night: everything after it takes its time from there.",
            "Where it is not one snapshot, the reason stands beside it.",
        ),
        sound_tables=(
            "Which tables break a critical expectation?",
            "`broken` names each with its red checks. What rests on it is not computed this night; all else is.",
            "Open the red checks of the table: they show the rows. Then take the night again with `--again`.",
        ),
    ),
    **_about(
        "metering",
        weekly_usage=(
            "How many units did the meter count, in which week?",
            "Units above `meter_quota` must have been debited; `attribution_keys` say by which steps they were used.",
        ),
        followed_weeks=(
            "Which older weeks did the night look at again?",
            "A finding about such a week is open, and only a night that examines the week can tell that it ended.",
        ),
        followed_usage=(
            "What did the meter count in the followed weeks?",
            "As in `weekly_usage`, of the organizations in `followed_weeks` alone.",
        ),
        meter_extras_deltas=(
            "In which weeks does the ledger not charge what the meter counted, and by how much?",
            "`delta_units` above 0 were used and not debited (owed to us), below 0 debited and not used (owed to the "
            "customer). `grade` says whether a reason by design accounts for it.",
            "Look at `unexplained` weeks, largest first: `billing-dq explain ORGANIZATION WEEK` shows the entries.",
        ),
        meter_extras_evidence=(
            "Why does a week differ, piece by piece?",
            "The units of a week's pieces add up to its delta; `confidence` says how sure each is.",
            "Where many organizations lost debits in the same minutes, look for one incident in the application.",
        ),
    ),
    **_about(
        "ledger",
        extras_balances=(
            "What does each organization's prepaid balance stand at?",
            "`cached_balance` is what the application acts on, `ledger_sum` the sum of its entries: they are equal.",
        ),
        ledger_entries=(
            "What was written to the prepaid ledgers in the weeks of the night?",
            "Amounts are signed: a debit is negative, a top-up positive.",
        ),
        followed_entries=(
            "What was written to the prepaid ledgers since the followed weeks?",
            "As in `ledger_entries`, of the organizations in `followed_weeks` alone.",
        ),
        expiring_ledgers=(
            "Which ledgers hold credits that have expired?",
            "Whole ledgers, so that it can be replayed which credit was used up first.",
        ),
        ledger_suspects=(
            "Which single entries may break a rule of the ledger, whatever their age?",
            "Suspects only; `ledger_violations` judges them.",
        ),
        refund_entries=("Which units were taken back for a refund?", "The reference names the refund at Stripe."),
        ledger_seals=(
            "Is the past of each ledger what earlier nights sealed?",
            "`first_digest` is of as many entries as the earlier seal has; where the two differ the past was changed.",
        ),
        runaway_balances=(
            "Which balances are so far below zero that service is given away?",
            "A balance below a multiple of the week's quota.",
            "Look today: find out why nothing stops the organization.",
        ),
        ledger_violations=(
            "Which ledgers break a rule of their own?",
            "One row for each broken rule; `compensated_by` names the entry that makes it good.",
            "Correct by a new entry, never by changing one; the runbook of each rule says which.",
        ),
    ),
    **_about(
        "disputes",
        dispute_entries=(
            "What did disputes take from the ledgers and give back?",
            "A clawback is negative, a credit positive; the reference names the dispute.",
        ),
        pack_purchases=("Which packs of units were bought?", "The checkout session leads to the payment at Stripe."),
        stripe_disputes=(
            "Which payments were disputed, and where did the money go?",
            "`movements` are the balance transactions, fees left out.",
            _STRIPE,
        ),
        dispute_positions=(
            "What does each disputed pack come to: money, units, and what is still due?",
            "`due_units` wait to be given back; `parked` and `refused` wait for a person.",
            "`billing-dq dispute DISPUTE` shows the timeline, `billing-dq credits list` what is due.",
        ),
        dispute_credits=(
            "Which disputes were credited in the application's own ledgers?",
            "One observation a credit, written by the job `apply_dispute_credit`: the one write of this system.",
            "`billing-dq credits verify-audit` proves that the audit log and the ledgers agree.",
        ),
    ),
    **_about(
        "stripe",
        stripe_subscriptions=(
            "Which status and plan does Stripe give each subscription?",
            "The plan comes from the prices in the settings.",
            _STRIPE,
        ),
        stripe_subscription_events=(
            "Which subscriptions changed at Stripe in the last 30 days?",
            "Evidence of which quota was in force in a week.",
            _STRIPE,
        ),
        stripe_invoices=("When was each subscription last paid?", "The newest paid invoice of each.", _STRIPE),
        stripe_charges=("Which packs were paid?", "The checkout session leads to the top-up in the ledger.", _STRIPE),
        stripe_refunds=("Which payments were given back?", "A failed refund gave nothing back.", _STRIPE),
        quarantined_stripe_objects=(
            "Which of Stripe's objects could not be read?",
            "Each field that is not as Stripe documents it, with the reason.",
            "Compare the object with Stripe's documentation: its version may have moved on.",
        ),
        stripe_reading=(
            "Was Stripe read this night, and if not, why?",
            "`read`, `not_run` (there is no key) or `failed`; then what needs Stripe stands as on the night before.",
            "After `failed`: mend the reason and take the night again with `--again`.",
        ),
        subscription_drift=(
            "Where do the application and Stripe disagree about a subscription?",
            "`in_database` against `in_stripe`.",
            "Synchronize the organization from Stripe; the runbook says when not to.",
        ),
    ),
    **_about(
        "conclusions",
        reconciliation=(
            "Which results could not be computed this night, and why?",
            "`absent` names them with the reason. Their findings stand as on the night before.",
            "Where `absent` is empty, nothing. Else mend the table that it names; `sound_tables` leads to the checks.",
        ),
        findings=(
            "What is broken, what is it worth, since when, and what is new?",
            "`usd_cents` above 0 are owed to us, below 0 to the customer; `nights_open` says for how many nights. "
            "What somebody accepted, what is by design and what is undecided is kept, and needs nobody.",
            "Start with the first row; its runbook says what to look at, what to do and when it is done.",
        ),
        nightly_report=(
            "Is money leaking, how much, in which direction, since when, and what is new tonight?",
            "The sentence on top answers it. Blue is owed to us, orange to customers; *Plots* shows figures by night.",
            "Open the report, or `findings`, whose first row is what to do first.",
        ),
        night_manifest=(
            "Is the night whole, and which code, rules and settings made it?",
            "It has what went in, what came out and the SHA-256 of every file. Readers see the night from here on.",
            "Nothing by hand. Without it the night is not whole: run the job `conclude_night` for it.",
        ),
        report=(
            "The night on one page, for people",
            "One HTML file that needs no network, and Markdown for a ticket, beside the tables.",
            "Open it, or paste the Markdown into a ticket.",
        ),
        alerts=(
            "Who was told what of this night?",
            "Each route of `[alerts]` is told once when a finding is new, worse by a step, resolved or reopened.",
            "Where `every_alert_was_delivered` is red, mend the route that it names: what waits is sent by itself.",
        ),
    ),
    **_about(
        "quality",
        document_shapes=(
            "Which fields, types and words do the application's documents have?",
            "Counted in the reading pass; `billing-dq schema` prints it with shares and changes.",
            "Where `documents_keep_their_shape` warns, ask what was released.",
        ),
        night_measures=(
            "Is the data as new, and is there as much of it, as in the nights before?",
            "Each measure stands beside its usual range; `not_judged` means that there are too few earlier nights.",
            "Where one is too low, find out whether something is no longer written, before you believe the findings.",
        ),
        column_profiles=(
            "What is in each table of this night?",
            "Rows, nulls, ranges and words of every column; the page `data_page` shows them beside the night before.",
            "Look there when a finding makes you doubt the data.",
        ),
        data_page=(
            "What is the data of this night like?",
            "One HTML page: what is unusual, the shape of the documents, a profile of each table.",
            "Open it from the report of the night.",
        ),
    ),
}
