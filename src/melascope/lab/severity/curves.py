"""Learning curves of one run, as the paper's Figure 2."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from melascope.data.layout import write_whole

__all__ = ["draw_curves"]

_TRAIN, _VALIDATION, _GREY = "#b45f06", "#1f4e79", "#666666"


def draw_curves(rows: Sequence[Mapping[str, float]], to: Path, *, title: str, kept: int) -> None:
    """Loss and accuracy by epoch, training and validation; the epoch whose weights are kept is marked.

    Args:
        rows: History.
        to: PNG.
        title: Of the figure.
        kept: Epoch from 1.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8.4, 3.4), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        epochs = [int(row["epoch"]) for row in rows]
        marker = "o" if len(rows) < 30 else ""
        for axes, (what, unit) in zip(
            figure.subplots(1, 2), (("loss", "cross-entropy (nats)"), ("accuracy", "accuracy")), strict=True
        ):
            for part, colour in (("train", _TRAIN), ("validation", _VALIDATION)):
                values = [row[f"{part}_{what}"] for row in rows]
                axes.plot(epochs, values, color=colour, marker=marker, markersize=3.5, linewidth=1.6, label=part)
            axes.axvline(kept, color=_GREY, linewidth=0.8, linestyle=":", zorder=0)
            axes.annotate(
                f"kept: {kept}", (kept, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -2), va="top",
                textcoords="offset points", fontsize=8, color=_GREY,
            )  # fmt: skip
            axes.set_xlabel("epoch")
            axes.set_ylabel(unit)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y", color="#e3e3e3", linewidth=0.7)
            axes.set_axisbelow(True)
            if what == "accuracy":
                axes.set_ylim(0, 1)
            else:
                axes.set_ylim(bottom=0)
            axes.margins(x=0.03)
        figure.axes[0].legend(frameon=False, loc="upper right" if kept <= len(rows) / 2 else "lower left")
        figure.suptitle(f"{title}: training with variations, validation without", fontsize=11)
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        write_whole(to, stream.getvalue())
