"""How a measure went from night to night, with what was usual for it, as a small SVG of the page about the data."""

import pandas as pd

_VALUE, _USUAL, _ODD = "#2f7fc1", "#8fa3ad", "#c8413b"


def sparkline(rows: pd.DataFrame) -> str:
    """A measure over the nights: the values, the band of what was usual, unusual values as dots.

    Args:
        rows: ``night`` (dates) and `NIGHT_MEASURES` of one measure; of several collections or weeks the first of each
            night is drawn, which are those with the most unusual value.

    Returns:
        The SVG; empty text where there are fewer than two nights.
    """
    drawn = _one_a_night(rows)
    if len(drawn) < 2:
        return ""
    width, height, top = 180.0, 34.0, float(max(drawn["value"].max(), drawn["expected"].max())) * 1.15 or 1.0
    step = width / (len(drawn) - 1)

    def at(place: int, value: float) -> str:
        return f"{place * step:.1f},{height - min(max(value, 0.0), top) / top * height:.1f}"

    columns = ("value", "lowest", "highest", "verdict")
    points = list(zip(*(drawn[name] for name in columns), strict=True))
    band = [(n, p) for n, p in enumerate(points) if p[3] != "not_judged"]
    upper = [at(n, top if pd.isna(p[2]) else float(p[2])) for n, p in band]
    lower = [at(n, 0.0 if pd.isna(p[1]) else float(p[1])) for n, p in reversed(band)]
    line = " ".join(at(n, float(p[0])) for n, p in enumerate(points))
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="3" fill="{_ODD}"/>'
        for n, p in enumerate(points)
        if p[3] in ("too_low", "too_high")
        for x, y in [at(n, float(p[0])).split(",")]
    )
    return (
        f'<svg viewBox="-4 -4 {width + 8:.0f} {height + 8:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="the last {len(drawn)} nights">'
        f'<polygon points="{" ".join([*upper, *lower])}" fill="{_USUAL}" fill-opacity="0.25"/>'
        f'<polyline points="{line}" fill="none" stroke="{_VALUE}" stroke-width="1.5"/>{dots}</svg>'
    )


def _one_a_night(rows: pd.DataFrame) -> pd.DataFrame:
    odd = rows["verdict"].isin(["too_low", "too_high"])
    order = rows.assign(_odd=~odd, _size=-rows["value"]).sort_values(["night", "_odd", "_size"], kind="stable")
    return order.drop_duplicates("night").reset_index(drop=True)
