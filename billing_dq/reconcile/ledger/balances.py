"""Balances that no business explains: deeply negative ones, and those of organizations that do not exist.

The rules are those of docs/domain.md, "Runaway balance" and "Existence". A document that could not be read is not an
absent one: where it might change the verdict, nothing is said.
"""

import numpy as np
import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, Policy
from billing_dq.tables import RUNAWAY_BALANCES


def runaway_balances(usage: pd.DataFrame, application: ApplicationTables, policy: Policy) -> pd.DataFrame:
    """The balances below ``-quota_multiple * quota``, strictly, in `RUNAWAY_BALANCES`.

    Args:
        usage: organization_id, week_key and meter_quota of `WEEKLY_USAGE` at least. The quota of the open week's
            document counts (rule ``week_quota``).
        application: balances; subscriptions, the quota of whose plan counts where the organization has no usage
            document of the open week (``plan_quota``); unreadable keys: where the open week's document is one of them,
            nothing is checked.
        policy: the quotas of the plans; ``quota_multiple``, how many weekly quotas a debt may reach; ``floor_units``,
            the debt that organizations with quota 0 may reach (``floor``; None: they are not checked).
    """
    balances, unreadable, week_key = application.balances, application.unreadable, application.weeks.keys[-1]
    week = usage.loc[usage["week_key"] == week_key].set_index("organization_id")["meter_quota"]
    plan = (
        application.subscriptions.set_index("organization_id")["plan"].map(dict(policy.quota_of_plan)).astype("float64")
    )
    week_quota = balances["organization_id"].map(week).astype("float64")
    plan_quota = balances["organization_id"].map(plan).astype("float64")
    quota = week_quota.fillna(plan_quota)
    dark = _dark_this_week(unreadable, week_key, set(week.index))

    threshold = -policy.quota_multiple * quota
    rule = week_quota.notna().map({True: "week_quota", False: "plan_quota"})
    without_quota = quota == 0
    threshold = threshold.mask(without_quota, np.nan if policy.floor_units is None else -policy.floor_units)
    rule = rule.mask(without_quota, "floor")

    # An unknown threshold is NaN, and nothing is below NaN.
    breach = (balances["cached_balance"] < threshold) & ~balances["organization_id"].isin(dark)
    return RUNAWAY_BALANCES.conform(
        pd.DataFrame(
            {
                "organization_id": balances["organization_id"],
                "cached_balance": balances["cached_balance"],
                "meter_quota": quota,
                "threshold_units": threshold,
                "rule": rule,
            }
        ).loc[breach]
    )


def orphan_balances(
    balances: pd.DataFrame, organizations: pd.DataFrame, subscriptions: pd.DataFrame, unreadable: pd.DataFrame
) -> pd.DataFrame:
    """The balances that belong neither to an organization nor to a subscription's organization.

    A quarantined organization or subscription counts as existing, by its document id too where the document is the
    organization's own.

    Returns:
        organization_id, cached_balance (units).
    """
    of_organization = unreadable.loc[unreadable["collection"].isin(["organizations", "subscriptions"])]
    own_documents = unreadable.loc[unreadable["collection"] == "organizations", "document_id"]
    existing = {
        *organizations["organization_id"],
        *subscriptions["organization_id"],
        *of_organization["organization_id"].dropna(),
        *own_documents,
    }
    orphaned = ~balances["organization_id"].isin(existing)
    return balances.loc[orphaned, ["organization_id", "cached_balance"]].reset_index(drop=True)


def _dark_this_week(unreadable: pd.DataFrame, week_key: str, with_document: set[str]) -> set[str]:
    """Organizations whose usage document of the week could not be read, or may be the one without a readable week."""
    usage = unreadable.loc[(unreadable["collection"] == "billingusages") & unreadable["organization_id"].notna()]
    named = usage.loc[usage["week_key"] == week_key, "organization_id"]
    any_week = usage.loc[usage["week_key"].isna(), "organization_id"]
    return {*named, *(set(any_week) - with_document)}
