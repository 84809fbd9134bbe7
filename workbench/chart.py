"""The picture of a sweep: single turns, means and intervals, drawn by matplotlib or by Bokeh.

    Chart(sweep, x="temperature").png("dark"); Chart(sweep).plot("seconds")

One axis of the grid lies across, the others together are colours. A numeric axis has its values
where they are (colours of one place a hair aside), names stand side by side. The axis of the metric
begins at zero where values from zero on differ by much, and says so where it doesn't. Turns that
failed are crosses at the bottom.

Left out: more than one metric in a panel.
"""

import textwrap
from functools import cached_property
from itertools import product
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from widgets.view import Table, View, palette, shown
from workbench.sweep import Axis, Sweep

COLORS = ("text", "speech", "audio", "image", "timestamp", "video")
MARKERS = (("circle", "o"), ("square", "s"), ("triangle", "^"), ("diamond", "D"),
           ("inverted_triangle", "v"), ("plus", "P"), ("star", "*"))  # fmt: skip
PANELS = 6  # metrics in one picture
NEAR = 0.05  # of a numeric axis: values closer than this are not all written under it
FEW = 8  # repeats under which a bootstrap is too sure of itself


class Spot(NamedTuple):
    """One point of the grid in one metric."""

    place: float  # across
    beside: float  # where its single turns stand
    mean: float
    low: float  # NaN where there is one turn
    high: float
    turns: list[dict[str, Any]]  # value, seed, seconds
    errors: list[str]


class Line(NamedTuple):
    """The spots of one colour."""

    label: str
    color: str  # name in the palette
    marker: tuple[str, str]
    spots: list[Spot]


class Chart(View):
    """What a sweep looks like; `snapshot()` needs no scripts."""

    def __init__(self, sweep: Sweep, x: str = ""):
        names = [axis.name for axis in sweep.axes]
        if x and x not in names:
            raise ValueError(f"no axis {x!r}, there is {', '.join(names)}")
        numeric = [axis for axis in sweep.axes if axis.numeric]
        first = (numeric or sweep.axes)[0]
        self.across = sweep.axes[names.index(x)] if x else first
        self.others = tuple(axis for axis in sweep.axes if axis is not self.across)
        self.sweep, summary = sweep, sweep.summary()
        head = tuple(summary.columns)
        title = f"{', '.join(sweep.metrics)} over {' and '.join(names)}"
        super().__init__(
            title=shown(title, 100),
            subtitle=self._told(),
            alt=f"{title}. {self._told()} " + self._heard(summary),
            meta={},
            arrays={},
            table=Table(head, list(summary.itertuples(index=False, name=None))),
            data={"summary": summary, "turns": sweep.data},
        )

    def _told(self) -> str:
        sweep = self.sweep
        points = " × ".join(str(len(axis.labels)) for axis in sweep.axes)
        failed = sweep.data[sweep.data["error"] != ""]
        parts = [f"{sweep.model}, a small model; {points} points"]
        if sweep.repeats > 1:
            few = ", few for an interval" if sweep.repeats < FEW else ""
            parts.append(f"dots are turns, bars the mean of {sweep.repeats} seeds with 95 % by"
                         f" bootstrap{few}")  # fmt: skip
        else:
            parts.append("one turn each, so nothing is known of their spread")
        if sweep.done < sweep.planned:
            parts.append(f"stopped after {sweep.done} of {sweep.planned} turns")
        if len(failed):
            count = len(failed.drop_duplicates([*(a.name for a in sweep.axes), "repeat"]))
            parts.append(f"{count} of {sweep.done} failed (crosses): {failed['error'].iloc[0]}")
        return shown("; ".join(parts) + ".", 300)

    def _heard(self, summary) -> str:
        rows = summary.head(12).itertuples(index=False, name=None)
        each = (", ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in r) for r in rows)
        return f"{', '.join(summary.columns)}: {'; '.join(each)}"

    # --- what stands where ----------------------------------------------------------------------

    def lines(self, metric: str) -> list[Line]:
        summary, turns = self.data["summary"], self.data["turns"]
        summary, turns = (t[t["metric"] == metric] for t in (summary, turns))
        groups = list(product(*(axis.labels for axis in self.others)))
        step = self._aside(len(groups))  # half of it between a mean and its turns
        lines = []
        for g, group in enumerate(groups):
            spots = []
            for i, label in enumerate(self.across.labels):
                here = [(self.across, label), *zip(self.others, group, strict=True)]
                row = _at(summary, here).iloc[0]
                at = float(label) if self.across.numeric else i
                at += (g - (len(groups) - 1) / 2) * step
                rows = _at(turns, here)
                good, bad = rows[rows["error"] == ""], rows[rows["error"] != ""]
                spots.append(
                    Spot(
                        at, at - step / 2, *map(float, row[["mean", "low", "high"]]),
                        good[["value", "seed", "seconds"]].to_dict("records"), list(bad["error"]),
                    )
                )  # fmt: skip
            spots.sort()
            name = ", ".join(f"{a.name} {v}" for a, v in zip(self.others, group, strict=True))
            color, marker = COLORS[g % len(COLORS)], MARKERS[g % len(MARKERS)]
            known = any(spot.turns for spot in spots)
            lines.append(Line(shown(name, 60) if known else "", color, marker, spots))
        return lines

    def _aside(self, groups: int) -> float:
        """How far apart colours stand that share a place, so that none hides another."""
        if not self.across.numeric:
            return min(0.12, 0.7 / groups)
        begin, end = self.ends
        places = sorted(map(float, self.across.labels))
        gaps = [b - a for a, b in zip(places, places[1:], strict=False)]
        return min([0.024 * (end - begin), *(0.4 * gap / groups for gap in gaps)])

    def span(self, metric: str) -> tuple[float, float]:
        """From where to where the axis of a metric goes."""
        turns = self.data["turns"]
        values = turns[turns["metric"] == metric]["value"].dropna()
        if not len(values):
            return 0.0, 1.0
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high - low > 0.2 * high:
            return -0.05 * high, high * 1.08
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        return low - margin, high + margin

    def ylabel(self, metric: str) -> str:
        unit = self.sweep.units[metric]
        low, high = self.span(metric)
        name = shown(metric, 40) + (f" ({unit})" if unit else "")
        return name + (", axis not from 0" if not low <= 0 <= high else "")

    @cached_property
    def ticks(self) -> tuple[list[float], list[str]] | None:
        """Where something is written under the axis across; None: round numbers."""
        axis = self.across
        if not axis.numeric:
            return [float(i) for i in range(len(axis.labels))], [shown(str(v)) for v in axis.labels]
        values = sorted(map(float, axis.labels))
        close = NEAR * (values[-1] - values[0])
        if any(b - a < close for a, b in zip(values, values[1:], strict=False)):
            return None
        return values, [f"{v:g}" for v in values]

    @property
    def ends(self) -> tuple[float, float]:
        places = list(map(float, self.across.labels)) if self.across.numeric else []
        if not places:
            return -0.5, len(self.across.labels) - 0.5
        margin = 0.06 * (max(places) - min(places)) or 0.5
        return min(places) - margin, max(places) + margin

    # --- matplotlib -----------------------------------------------------------------------------

    def figure(self, colors):
        from matplotlib.figure import Figure

        metrics = self.sweep.metrics[:PANELS]
        columns = min(len(metrics), 2)
        rows = -(-len(metrics) // columns)
        figure = Figure(figsize=(9.6 if columns > 1 else 7.2, 0.9 + 2.9 * rows))
        height = figure.get_figheight()
        head = 1.0 if self.others else 0.72  # inches above the panels
        panels = figure.add_gridspec(
            rows, columns, left=0.09 if columns > 1 else 0.11, right=0.98, wspace=0.25, hspace=0.32,
            top=1 - head / height, bottom=0.62 / height,
        )  # fmt: skip
        for i, metric in enumerate(metrics):
            axes = figure.add_subplot(panels[i // columns, i % columns])
            self._draw_panel(axes, metric, colors)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(
                handles, labels, loc="upper left", bbox_to_anchor=(0.004, 1 - 0.6 / height),
                ncols=min(4, len(labels)), frameon=False, fontsize=8, handletextpad=0.3,
                columnspacing=1.4,
            )  # fmt: skip
        return figure

    def _draw_panel(self, axes, metric, colors):
        low, high = self.span(metric)
        for line in self.lines(metric):
            color, marker = colors[line.color], line.marker[1]
            turns = [(spot.beside, turn["value"]) for spot in line.spots for turn in spot.turns]
            axes.plot(
                *np.array(turns).reshape(-1, 2).T, marker, ms=4, mfc="none", mec=color, alpha=0.6,
                ls="",
            )  # fmt: skip
            known = [spot for spot in line.spots if isfinite(spot.mean)]
            places, means = [s.place for s in known], [s.mean for s in known]
            axes.vlines(
                [s.place for s in known if isfinite(s.low)],
                [s.low for s in known if isfinite(s.low)],
                [s.high for s in known if isfinite(s.low)],
                color=color, lw=1.8,
            )  # fmt: skip
            axes.plot(
                places, means, marker, ls="-" if self.across.numeric else "", color=color, lw=1.1,
                ms=6.5, mec=colors["bg"], label=line.label or None,
            )  # fmt: skip
            failed = [spot.place for spot in line.spots if spot.errors]
            bottom = low + 0.02 * (high - low)
            axes.plot(failed, [bottom] * len(failed), "x", color=colors["bad"], ms=6, clip_on=False)
        axes.set(xlim=self.ends, ylim=(low, high))
        axes.set_xlabel(shown(self.across.name))
        axes.set_ylabel(self.ylabel(metric))
        axes.grid(axis="y", color=colors["grid"], lw=0.6)
        axes.set_axisbelow(True)
        if self.ticks:
            places, labels = self.ticks
            width = max(8, 60 // len(labels))
            axes.set_xticks(places, ["\n".join(textwrap.wrap(t, width)[:3]) for t in labels])

    # --- Bokeh ----------------------------------------------------------------------------------

    def plot(self, metric: str, theme: str = "light"):
        """One metric as a live Bokeh figure."""
        from bokeh.models import FixedTicker, HoverTool, Range1d
        from bokeh.plotting import figure

        colors = palette(theme)
        low, high = self.span(metric)
        fig = figure(
            width=760, height=400, x_range=Range1d(*self.ends), y_range=Range1d(low, high),
            title=shown(f"{metric} over {' and '.join(a.name for a in self.sweep.axes)}", 100),
            x_axis_label=shown(self.across.name), y_axis_label=self.ylabel(metric),
            tools="pan,box_zoom,wheel_zoom,reset,save", background_fill_color=colors["bg"],
            border_fill_color=colors["bg"], outline_line_color=None,
        )  # fmt: skip
        fig.toolbar.logo = None
        dots = []
        for line in self.lines(metric):
            dots += self._plot_line(fig, line, colors, low + 0.02 * (high - low))
        fig.add_tools(HoverTool(renderers=dots, tooltips=[(n, f"@{n}") for n in HOVER]))
        if self.ticks:
            places, labels = self.ticks
            fig.xaxis.ticker = FixedTicker(ticks=places)
            fig.xaxis.major_label_overrides = dict(zip(places, labels, strict=True))
            if max(map(len, labels)) * len(labels) > 80:
                fig.xaxis.major_label_orientation = 0.5
        fig.xgrid.grid_line_color, fig.ygrid.grid_line_color = None, colors["grid"]
        for axis in (*fig.xaxis, *fig.yaxis):
            axis.axis_label_text_color = axis.major_label_text_color = colors["soft"]
            axis.axis_label_text_font_style = "normal"
            axis.axis_line_color = axis.major_tick_line_color = colors["faint"]
            axis.minor_tick_line_color = None
        fig.title.text_color = colors["ink"]
        if fig.legend:
            fig.add_layout(fig.legend[0], "below")
            fig.legend.ncols, fig.legend.click_policy, fig.legend.location = 3, "hide", "left"
            fig.legend.background_fill_color = fig.legend.border_line_color = None
            fig.legend.label_text_color = colors["ink"]
        return fig

    def _plot_line(self, fig, line: Line, colors: dict[str, str], bottom: float) -> list:
        from bokeh.models import ColumnDataSource

        color, marker = colors[line.color], line.marker[0]
        legend = {"legend_label": line.label} if line.label else {}
        across = dict(zip((s.place for s in line.spots), self._labels(line), strict=True))
        rows: list[dict[str, Any]] = []
        for s in line.spots:
            told = {"point": ", ".join(filter(None, (across[s.place], line.label)))}
            rows += [{"x": s.beside, **told, **turn, "note": ""} for turn in s.turns]
            rows += [{"x": s.place, **told, "value": bottom, "seed": -1, "seconds": np.nan,
                      "note": shown(error, 200)} for error in s.errors]  # fmt: skip
        good = _source([r for r in rows if not r["note"]])
        bad = _source([r for r in rows if r["note"]])
        dots = fig.scatter("x", "value", source=good, marker=marker, size=7, fill_color=None,
                           line_color=color, line_alpha=0.7, **legend)  # fmt: skip
        crosses = fig.scatter("x", "value", source=bad, marker="x", size=9,
                              line_color=colors["bad"], line_width=2)  # fmt: skip
        known = [s for s in line.spots if isfinite(s.mean)]
        sure = [s for s in known if isfinite(s.low)]
        bars = ColumnDataSource({"x": [s.place for s in sure], "low": [s.low for s in sure],
                                 "high": [s.high for s in sure]})  # fmt: skip
        fig.segment(
            "x", "low", "x", "high", source=bars, line_color=color, line_width=2.5, **legend
        )
        places, means = [s.place for s in known], [s.mean for s in known]
        if self.across.numeric:
            fig.line(places, means, line_color=color, line_width=1.5, **legend)
        fig.scatter(places, means, marker=marker, size=11, fill_color=color,
                    line_color=colors["bg"], **legend)  # fmt: skip
        return [dots, crosses]

    def _labels(self, line: Line) -> list[str]:
        """What the axis across says at each spot, which are in the order of their places."""
        labels = self.across.labels
        ordered = sorted(labels) if self.across.numeric else labels
        return [f"{shown(self.across.name)} {shown(str(label))}" for label in ordered]

    def page(self, theme: str = "light") -> str:
        """The live figures of all metrics as one offline page."""
        from bokeh.embed import file_html
        from bokeh.layouts import column
        from bokeh.resources import INLINE

        figures = [self.plot(metric, theme) for metric in self.sweep.metrics]
        styles = {"background": palette(theme)["bg"], "padding": "16px"}
        return file_html(column(*figures, styles=styles), INLINE, title=self.title)

    # --- in a notebook --------------------------------------------------------------------------

    def snapshot(self) -> str:
        """Picture, in the reader's light or dark, and table as plain HTML."""
        import base64

        light, dark = (base64.b64encode(self.png(theme)).decode() for theme in ("light", "dark"))
        plain = super().snapshot()
        image = plain[: plain.index(">") + 1]
        assert light in image
        source = (
            f'<source media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,{dark}">'
        )
        return f"<picture>{source}{image}</picture>{plain[len(image) :]}"


HOVER = ("point", "value", "seed", "seconds", "note")


def _at(frame, where: list[tuple[Axis, Any]]):
    for axis, label in where:
        frame = frame[frame[axis.name] == label]
    return frame


def _source(rows: list[dict[str, Any]]):
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({name: [row[name] for row in rows] for name in ("x", *HOVER)})
