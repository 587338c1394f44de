"""The cost of a night against the size of the company, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def plot_costs(
    organizations: Sequence[int], seconds: dict[str, Sequence[float]], megabytes: Sequence[float], path: Path
) -> None:
    """Draw seconds by curve, and the peak of memory, against the number of organizations; both scales logarithmic."""
    figure, (time, memory) = plt.subplots(1, 2, figsize=(11, 4.5))
    for name, values in seconds.items():
        time.plot(organizations, values, marker="o", label=name)
    time.set(xscale="log", yscale="log", xlabel="organizations", ylabel="seconds", title="one night")
    time.legend()
    memory.plot(organizations, megabytes, marker="o", color="tab:red")
    memory.set(xscale="log", xlabel="organizations", ylabel="MB", ylim=(0, None), title="peak memory of the client")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
