"""Ranges of organizations: each organization is in one, however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.queries import documents_of
from billing_dq.storage.organization_ranges import EVERYTHING, OrganizationRange, ranges_between

IDS = st.integers(0, 2**96 - 1).map(lambda number: f"{number:024x}")


@given(boundaries=st.lists(IDS, max_size=8), organizations=st.lists(IDS, max_size=20))
def test_each_organization_is_in_one_range(boundaries: list[str], organizations: list[str]) -> None:
    ranges = ranges_between(boundaries)
    assert len(ranges) == len(set(boundaries)) + 1
    for organization in [*organizations, *boundaries]:
        assert [one.holds(organization) for one in ranges].count(True) == 1


@given(boundaries=st.lists(IDS, max_size=8), organizations=st.lists(IDS, max_size=20))
def test_ranges_one_after_the_other_are_in_the_order_of_the_organizations(
    boundaries: list[str], organizations: list[str]
) -> None:
    found = [one for of in ranges_between(boundaries) for one in sorted(organizations) if of.holds(one)]
    assert found == sorted(organizations)


def test_without_a_boundary_there_is_one_range_of_all_and_its_query_asks_for_no_organization() -> None:
    assert ranges_between([]) == [EVERYTHING] == [OrganizationRange()]
    contract = CollectionContract("billingextrabalances", "balances", (), "organization")
    assert documents_of(contract, (), EVERYTHING).filter == {}
