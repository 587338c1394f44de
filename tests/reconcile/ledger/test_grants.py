"""One grant in two ledgers is told of each ledger that has no right to it, and of no other."""

import pytest

from billing_dq.reconcile.ledger.grants import grant_violations
from tests.support.ledger_rows import ORG, OTHER, entry, suspects

SIGNUP, REFERRAL = f"signup_grant-{ORG}", "referral:i1:referee"


@pytest.mark.parametrize(
    ("ref", "first", "later", "told"),
    [
        (SIGNUP, ORG, OTHER, [OTHER]),
        (SIGNUP, OTHER, ORG, [OTHER]),
        (REFERRAL, OTHER, ORG, [ORG]),
        (REFERRAL, ORG, ORG, []),
        ("grant-0001", ORG, OTHER, []),
    ],
)
def test_a_grant_in_another_ledger_is_owed_by_who_has_no_right_to_it(
    ref: str, first: str, later: str, told: list[str]
) -> None:
    rows = suspects(
        entry("topup", 500, "a", 48, ref=ref, organization=first),
        entry("topup", 500, "b", 24, ref=ref, organization=later),
    )
    violations = grant_violations(rows)
    assert violations["organization_id"].tolist() == told
    assert violations["units"].tolist() == [500.0] * len(told)


def test_the_two_sides_of_an_invitation_are_two_grants() -> None:
    sides = [
        entry("topup", 500, side, 24, ref=f"referral:i1:{side}", organization=organization)
        for side, organization in (("referee", ORG), ("referrer", OTHER))
    ]
    assert grant_violations(suspects(*sides)).empty
