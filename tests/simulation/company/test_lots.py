"""What is left of each credit of a ledger."""

from bson import ObjectId

from billing_dq_simulation.company.lots import Lots

FIRST, SECOND = ObjectId(), ObjectId()


def test_a_debit_draws_on_the_credit_that_expires_first():
    lots = Lots()
    lots.credit(FIRST, 100, None)
    lots.credit(SECOND, 100, 50)
    lots.debit(120, 10)
    assert (lots.expire(SECOND), lots.expire(FIRST)) == (0, 80)


def test_at_its_expiry_a_credit_stops_being_drawn_on():
    lots = Lots()
    lots.credit(FIRST, 100, 50)
    lots.debit(30, 50)
    assert (lots.expire(FIRST), lots.usage_debt) == (100, 30)


def test_a_credit_first_repays_what_was_spent_without_one():
    lots = Lots()
    lots.debit(30, 1)
    lots.credit(FIRST, 100, None)
    assert (lots.usage_debt, lots.expire(FIRST)) == (0, 70)


def test_a_refund_draws_on_its_own_pack_first_and_its_debt_is_not_usage():
    lots = Lots()
    lots.credit(FIRST, 100, None)
    lots.credit(SECOND, 100, None)
    lots.refund(SECOND, 250, 1)
    assert (lots.expire(FIRST), lots.expire(SECOND)) == (0, 0)
    assert (lots.usage_debt, lots.other_debt) == (0, 50)
