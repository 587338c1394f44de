import pandas as pd
import pytest

from billing_dq.reconcile.finding import number, records, text, text_or_none


def test_a_row_is_read_by_the_names_of_its_columns():
    (row,) = records(pd.DataFrame({"subject": ["e1"], "units": [3], "cause": [None]}))
    assert (text(row, "subject"), number(row, "units"), text_or_none(row, "cause")) == ("e1", 3.0, None)


def test_what_is_no_text_or_no_number_is_refused_by_the_name_of_its_column():
    with pytest.raises(TypeError, match="cause is None, not a text"):
        text({"cause": None}, "cause")
    with pytest.raises(TypeError, match="units is 'many', not a number"):
        number({"units": "many"}, "units")
