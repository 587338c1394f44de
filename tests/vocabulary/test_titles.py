"""Each kind has a name that people say."""

import re

from billing_dq.vocabulary.alerts import OPERATIONS
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.titles import TITLES, title


def test_every_kind_of_finding_and_of_alert_has_a_name_of_its_own() -> None:
    assert set(TITLES) == {*KINDS, *OPERATIONS}
    assert len(set(TITLES.values())) == len(TITLES)


def test_the_names_are_a_few_plain_words() -> None:
    assert [name for name in TITLES.values() if not re.fullmatch(r"(?=.{8,50}$)[a-zA-Z ,]+", name)] == []


def test_a_kind_of_a_rule_in_the_settings_has_the_words_of_its_own_name() -> None:
    assert title("too_many_keys") == "too many keys"
    assert title("pack_without_topup") == "paid, not delivered"
