"""Faults of bought packs: money that moved without its entry in the ledger (docs/domain.md, "Purchases and refunds").

A charge without its top-up, and a refund that failed after its units were taken.
"""

from billing_dq_simulation.clock import DAY, HOUR
from billing_dq_simulation.company.story import Changes, Story
from billing_dq_simulation.config import PACKS
from billing_dq_simulation.faults.cases import Case
from billing_dq_simulation.labels import Document, SimulatedOrganization

Outcome = SimulatedOrganization | None


def pack_without_topup(case: Case) -> Outcome:
    """A pack is paid for, and the webhook that would top it up never arrives."""
    born, end = case.story.born, case.story.end
    at = max(born + HOUR, end - case.random.randint(2, 25) * DAY)
    if at > end - DAY:
        return None
    pack = PACKS[case.random.choice(sorted(PACKS))]
    named_on = case.random.choice(("intent", "both", "intent_only"))
    charges: list[Document] = []

    def pay(story: Story) -> None:
        charges.append(story.account.buy(at, pack, story.ids.session(), named_on))

    story = case.replay(Changes(happenings=[(at, pay)]))
    return case.end(story, [case.label("pack_without_topup", str(charges[0]["id"]), -float(pack.units))])


def refund_failed(case: Case) -> Outcome:
    """A refund fails some days later: the money is back with us, and so are the units."""
    refunds = case.story.account.objects["refunds"]
    if not refunds:
        return None
    refund = case.random.choice(refunds)
    refund.update(status="failed", failure_reason="lost_or_stolen_card")
    prefix = f"refund-{refund['id']}-"
    entries = [entry for entry in case.story.application.ledger if str(entry.get("refId")).startswith(prefix)]
    units = float(entries[0]["amount"])  # type: ignore[arg-type]
    return case.end(case.story, [case.label("refund_failed", str(refund["id"]), units)])
