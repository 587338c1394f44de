from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from billing_dq.storage import arrow, stored_table
from billing_dq.storage.organization_ranges import OrganizationRange
from billing_dq.tables import FINDINGS, PACK_PURCHASES, TABLES, UNREADABLE_KEYS, WEEKLY_USAGE, FrameError, Table


def usage(*rows: tuple[str, str, list[str]]) -> pa.Table:
    return arrow.to_arrow(
        WEEKLY_USAGE,
        WEEKLY_USAGE.from_rows(
            {
                "organization_id": organization,
                "week_key": week,
                "meter_used": 1.5,
                "meter_quota": 0.0,
                "settled_units": 0.0,
                "attribution_keys": keys,
            }
            for organization, week, keys in rows
        ),
    )


def test_the_rows_of_some_organizations_are_read_alone(tmp_path: Path) -> None:
    path = UPath(tmp_path / "usage.parquet")
    with stored_table.TableWriter(WEEKLY_USAGE, path) as writer:
        writer.write(usage(("a", "2026-W45", ["k"]), ("a", "2026-W46", []), ("b", "2026-W45", [])))
        writer.write(usage(("c", "2026-W45", []), ("d", "2026-W45", [])))
    stored = stored_table.StoredTable(WEEKLY_USAGE, path)
    rows = stored.where("organization_id", ["a", "d", "z"])
    assert list(rows.columns) == WEEKLY_USAGE.column_names
    assert rows["organization_id"].tolist() == ["a", "a", "d"]
    assert stored.where("organization_id", ["d"], ["week_key"]).to_dict("list") == {"week_key": ["2026-W45"]}
    assert stored.where("organization_id", []).empty


def test_a_column_that_is_younger_than_a_stored_night_is_null_there(tmp_path: Path) -> None:
    old = Table("findings", "a finding", FINDINGS.columns[:-3], FINDINGS.key)
    row = {"finding_id": "f", "kind": "k", "subject": "s", "severity": "info", "units": 1.0, "usd_cents": 0}
    row |= {"explanation": "e", "runbook": "r", "state": "new", "first_seen": "n", "last_seen": "n", "nights_open": 1}
    path = UPath(tmp_path / "old.parquet")
    with stored_table.TableWriter(old, path) as writer:
        writer.write(arrow.to_arrow(old, old.from_rows([row])))
    frame = FINDINGS.conform(stored_table.StoredTable(FINDINGS, path).frame())
    assert frame[["accepted_by", "accepted_why", "accepted_until"]].isna().all(axis=None)
    assert frame["finding_id"].tolist() == ["f"]


def purchases(*organizations: str) -> pa.Table:
    frame = pd.DataFrame(
        {
            "organization_id": list(organizations),
            "entry_id": "e",
            "stripe_session_id": "cs",
            "amount": 1.0,
            "at": pd.Timestamp("2026-11-21", tz="UTC"),
        }
    )
    return arrow.to_arrow(PACK_PURCHASES, PACK_PURCHASES.conform(frame))


def stored(table: Table, path: Path, *groups: pa.Table) -> stored_table.StoredTable:
    with stored_table.TableWriter(table, UPath(path)) as writer:
        for group in groups:
            writer.write(group)
    return stored_table.StoredTable(table, UPath(path))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_an_empty_table_survives_the_file(table: Table, tmp_path: Path) -> None:
    written = stored(table, tmp_path / "t.parquet", arrow.to_arrow(table, table.empty()))
    assert written.rows == 0
    assert written.frame().dtypes.equals(table.empty().dtypes)
    assert list(written.batches()) == []


def test_rows_and_lists_survive_the_file(tmp_path: Path) -> None:
    group = usage(("a", "2026-W46", ["k1", "k2"]), ("a", "2026-W47", []), ("b", "2026-W47", ["k3"]))
    frame = stored(WEEKLY_USAGE, tmp_path / "t.parquet", group).frame()
    assert frame["attribution_keys"].map(list).tolist() == [["k1", "k2"], [], ["k3"]]
    assert frame["meter_used"].tolist() == [1.5] * 3
    assert frame["updated_at"].isna().all()


def test_a_null_where_none_may_be_is_refused(tmp_path: Path) -> None:
    group = arrow.to_arrow(UNREADABLE_KEYS, UNREADABLE_KEYS.from_rows([{"collection": "c", "document_id": "d"}]))
    broken = group.set_column(1, group.schema.field(1), pa.array([None], pa.string()))
    with pytest.raises(FrameError, match=r"document_id holds 1 nulls"):
        stored(UNREADABLE_KEYS, tmp_path / "t.parquet", broken)


def test_exploded_keys_point_to_their_row() -> None:
    keys = arrow.explode_keys(usage(("a", "w", ["x", "y"]), ("b", "w", []), ("c", "w", ["z"])))
    assert keys.to_dict("list") == {"row": [0, 0, 2], "key": ["x", "y", "z"]}


def test_exploded_keys_of_a_slice_count_from_its_first_row() -> None:
    keys = arrow.explode_keys(usage(("a", "w", ["x", "y"]), ("b", "w", ["u"]), ("c", "w", ["z"])).slice(1))
    assert keys.to_dict("list") == {"row": [0, 1], "key": ["u", "z"]}


def test_no_rows_explode_into_no_keys() -> None:
    assert arrow.explode_keys(usage()).dtypes.astype(str).to_dict() == {"row": "int64", "key": "str"}


GROUPS = st.lists(st.sampled_from("abcdefgh"), unique=True).map(sorted)


@given(left=GROUPS, right=GROUPS, left_size=st.integers(1, 4), right_size=st.integers(1, 4))
def test_merging_gives_every_row_once_beside_its_own_organizations(
    tmp_path_factory: pytest.TempPathFactory, left: list[str], right: list[str], left_size: int, right_size: int
) -> None:
    directory = tmp_path_factory.mktemp("merge")
    one = stored(
        WEEKLY_USAGE,
        directory / "left.parquet",
        *(usage(*((org, "w", [org]) for org in left[i : i + left_size])) for i in range(0, len(left), left_size)),
    )
    other = stored(
        PACK_PURCHASES,
        directory / "right.parquet",
        *(purchases(*right[i : i + right_size]) for i in range(0, len(right), right_size)),
    )
    seen: tuple[list[str], list[str]] = ([], [])
    until = ""
    for batch_left, batch_right in stored_table.merge_by_organization(one, other):
        organizations = [batch.column("organization_id").to_pylist() for batch in (batch_left, batch_right)]
        assert all(org > until for side in organizations for org in side)
        until = max(organizations[0] + organizations[1])
        seen[0].extend(organizations[0])
        seen[1].extend(organizations[1])
    assert seen == (left, right)


@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.lists(st.sampled_from(["k", "key"]), max_size=3)), max_size=12),
    cuts=st.sets(st.integers(0, 12)),
    organizations=st.integers(1, 4),
)
def test_the_same_rows_are_the_same_bytes_in_whatever_parts_they_come(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, list[str]]], cuts: set[int], organizations: int
) -> None:
    directory = tmp_path_factory.mktemp("t")
    table = usage(*((str(one), f"2026-W{10 + week}", keys) for week, (one, keys) in enumerate(sorted(rows))))
    ends = sorted({0, *(cut for cut in cuts if cut < len(rows)), len(rows)})
    written: list[bytes] = []
    for parts in ([table], [table.slice(start, end - start) for start, end in pairwise(ends)]):
        path = directory / "usage.parquet"
        with stored_table.TableWriter(WEEKLY_USAGE, UPath(path), organizations) as writer:
            for part in parts:
                writer.write(part)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    groups = pq.ParquetFile(path)
    held = [set(groups.read_row_group(n, ["organization_id"])[0].to_pylist()) for n in range(groups.num_row_groups)]
    assert sum(map(len, held)) == len(set.union(set(), *held))  # whole organizations
    assert all(len(group) <= organizations for group in held)


def test_of_a_range_only_its_organizations_are_read(tmp_path: Path) -> None:
    path = UPath(tmp_path / "usage.parquet")
    with stored_table.TableWriter(WEEKLY_USAGE, path, 2) as writer:
        writer.write(usage(*((one, "2026-W45", ["k"]) for one in "abcdefg")))
    of = stored_table.StoredTable(WEEKLY_USAGE, path, OrganizationRange("b", "e"))
    assert of.first_organizations() == ["a", "c", "e", "g"]
    assert of.frame()["organization_id"].tolist() == ["b", "c", "d"]
    assert [batch["week_key"].to_pylist() for batch in of.batches(["week_key"])] == [["2026-W45"] * 3]
    assert of.arrow(["organization_id"]).num_rows == 3
    assert of.where("organization_id", ["a", "d"])["organization_id"].tolist() == ["d"]
    assert of.of_organizations(["a", "d"]).num_rows == 1
    nobody = stored_table.StoredTable(WEEKLY_USAGE, path, OrganizationRange("x", None))
    assert list(nobody.batches()) == []
