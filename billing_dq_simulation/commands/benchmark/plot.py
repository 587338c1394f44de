"""The cost of a night against the size of the company, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import altair as alt
import pandas as pd


def plot_costs(
    organizations: Sequence[int], seconds: dict[str, Sequence[float]], megabytes: Sequence[float], path: Path
) -> None:
    """Draw seconds by curve, both scales logarithmic, and the peak of memory against the number of organizations.

    Args:
        organizations: the sizes.
        seconds: by the name of the curve, one for each size.
        megabytes: one for each size.
        path: ends in .png or .svg.
    """
    costs = pd.DataFrame(
        [
            {"organizations": size, "seconds": value, "what": name}
            for name, values in seconds.items()
            for size, value in zip(organizations, values, strict=True)
        ]
    )
    memory = pd.DataFrame({"organizations": organizations, "MB": megabytes})
    size = alt.X("organizations:Q", scale=alt.Scale(type="log"))
    time = (
        alt.Chart(costs, title="one night", width=420, height=300)
        .mark_line(point=True)
        .encode(x=size, y=alt.Y("seconds:Q", scale=alt.Scale(type="log")), color=alt.Color("what:N", title=None))
    )
    peak = (
        alt.Chart(memory, title="peak memory of the client", width=320, height=300)
        .mark_line(point=True, color="#c8413b")
        .encode(x=size, y="MB:Q")
    )
    (time | peak).save(path, scale_factor=2)
