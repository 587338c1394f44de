"""Pictures so small that Dagster shows them in place: Markdown below 1,000 characters, an SVG as a data URI.

Dagster hides longer Markdown behind a click. No plotting library writes that little, and each costs the night a
second to import; the pictures of the report are drawn by one (`pictures`). What is shown is also said in words below.
"""

import base64
from collections.abc import Mapping, Sequence
from itertools import pairwise

#: Longer Markdown is hidden behind a click.
LONGEST = 999
#: Nights that fit.
NIGHTS = 30
#: Parts of a bar that fit; the smaller ones together are one more.
PARTS = 6
#: Of a page that is 1400 pixels wide, so much is left for a picture.
_WIDTH, _BAR, _LINES = 360, 14, 48
_OTHERS, _GREY = "others", "#bbbbbb"


def listed(lines: Sequence[str]) -> str:
    """Short lines as a Markdown list: a long line would be cut at the edge of Dagster's table."""
    return "\n".join(f"- {line}" for line in lines)


def bar(parts: Mapping[str, float], colours: Mapping[str, str]) -> str:
    """Parts of a whole, side by side; none that is there is too thin to be seen. Empty text where there is nothing.

    Args:
        parts: how much by name, none negative, in the order in which they stand.
        colours: by name, as #rrggbb.
    """
    shown = _largest({name: amount for name, amount in parts.items() if amount > 0})
    total = sum(shown.values())
    if not total:
        return ""
    wide = {name: max(3, round(amount / total * _WIDTH)) for name, amount in shown.items()}
    left, drawn = 0, ""
    for name, width in wide.items():
        drawn += f'<path fill="{colours.get(name, _GREY)}" d="M{left} 0h{width}v{_BAR}h-{width}"/>'
        left += width
    told = [f"{amount:,.0f} {name.replace('_', ' ')}" for name, amount in shown.items()]
    return _markdown(drawn, left, _BAR, ["from left:", *told])


def lines(values: Mapping[str, Sequence[float]], colours: Mapping[str, str], unit: str) -> str:
    """Values of the last nights as one line each, from zero up. Empty text without a night.

    Args:
        values: by name, the oldest first, none negative, all of one length.
        colours: by name, as #rrggbb.
        unit: put before each number.
    """
    last = {name: list(line)[-NIGHTS:] for name, line in values.items()}
    nights = max(map(len, last.values()), default=0)
    if not nights:
        return ""
    highest = max(1.0, *(value for line in last.values() for value in line))
    step, drawn = min(36, _WIDTH // nights), ""
    for name, line in last.items():
        heights = [round(_LINES - 2 - value / highest * (_LINES - 4)) for value in line]
        ups = [after - before for before, after in pairwise(heights)] or [0]
        path = "".join(f"l{step} {up}" for up in ups)
        drawn += f'<path stroke="{colours[name]}" d="M0 {heights[0]}{path}"/>'
    told = [f"{name.replace('_', ' ')}: {unit}{line[-1]:,.2f}" for name, line in last.items()]
    group = f'<g fill="none" stroke-width="2">{drawn}</g>'
    return _markdown(group, _WIDTH, _LINES, [*told, f"nights shown: {nights}"])


def _largest(parts: dict[str, float]) -> dict[str, float]:
    if len(parts) <= PARTS + 1:
        return parts
    large = set(sorted(parts, key=lambda name: -parts[name])[:PARTS])
    others = sum(amount for name, amount in parts.items() if name not in large)
    return {**{name: amount for name, amount in parts.items() if name in large}, _OTHERS: others}


def _markdown(drawn: str, width: int, height: int, told: Sequence[str]) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{drawn}</svg>'
    data = base64.b64encode(svg.encode()).decode("ascii")
    return f"![](data:image/svg+xml;base64,{data})\n\n{listed(told)}"
