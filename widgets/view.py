"""What every view shares: arrays in, a picture, a page, a live widget or a table out.

A view is made of three things that it computes once, when it is built: `meta` (a small JSON value),
`arrays` (NumPy, sent as bytes) and `table` (the same facts as rows). From these come

    view.data       the whole data, nothing cut        view.png()     a picture (bytes), no browser
    view.html()     one offline page (str)             view.widget()  the live anywidget
    view            in a notebook: the page in a sandboxed frame, the picture and the table

`set_render("static")` is for notebooks that are read where scripts are stripped; "widget" for a
live kernel; the environment variable WB_RENDER says it for a whole session. Views with the same
`link` share one `Selection` when they stand on one page.

Everything shown is escaped here: text of models and users arrives as JSON data and is only ever put
into text nodes and canvases. A page asks for nothing from any network (its policy forbids it).

Left out: vector export (print the page to PDF), editing the data in the browser.
"""

import base64
import html
import io
import json
import os
import re
import textwrap
import unicodedata
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
WARN_BYTES = 2_000_000  # a notebook output above this is worth a warning
REFUSE_BYTES = 10_000_000  # and above this needs force=True
TEXT_LIMIT = 80  # characters of a token that are displayed; `.data` keeps them all
TABLE_LIMIT = 200  # rows of the table twin
RENDERS = ("auto", "html", "static", "widget")
MODALITIES = ("text", "audio", "image", "video", "timestamp", "control", "speech")

_render = os.environ.get("WB_RENDER", "auto")


def set_render(how: str) -> None:
    """How views show themselves in notebooks from now on: "auto", "html", "static" or "widget"."""
    global _render
    if how not in RENDERS:
        raise ValueError(f"render is one of {', '.join(RENDERS)}, not {how!r}")
    _render = how


@dataclass(frozen=True)
class Selection:
    """What is selected in linked views. `None` (or no tokens) means: nothing of that sort."""

    tokens: tuple[int, ...] = ()  # positions in the run's table of tokens
    time: tuple[float, float] | None = None  # seconds of the spoken answer
    layer: int | None = None
    head: int | None = None
    expert: int | None = None

    def json(self) -> dict[str, Any]:
        out = asdict(self)
        out["tokens"] = list(self.tokens)
        out["time"] = None if self.time is None else list(self.time)
        return out

    @classmethod
    def of(cls, value: dict[str, Any]) -> "Selection":
        unknown = set(value) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"a selection has no {', '.join(map(repr, sorted(unknown)))}")
        time = value.get("time")
        return cls(
            tokens=tuple(int(t) for t in value.get("tokens") or ()),
            time=None if time is None else (float(time[0]), float(time[1])),
            **{
                name: None if value.get(name) is None else int(value[name])
                for name in ("layer", "head", "expert")
            },
        )


@dataclass(frozen=True)
class Table:
    """The table twin of a view: what a reader gets who cannot see the picture."""

    head: tuple[str, ...]
    rows: list[tuple] = field(default_factory=list)
    caption: str = ""

    def cut(self, limit: int = TABLE_LIMIT) -> dict[str, Any]:
        rows = [[_cell(value) for value in row] for row in self.rows[:limit]]
        more = len(self.rows) - len(rows)
        caption = self.caption + (f" (first {limit} of {len(self.rows)} rows)" if more else "")
        return {"head": list(self.head), "rows": rows, "caption": caption.strip()}


class View:
    """The base of all views; subclasses validate their arrays and call `super().__init__`."""

    module = ""  # the name of its .js file
    height = 480  # pixels of the frame until the page has said how high it is

    def __init__(
        self,
        *,
        title: str,
        subtitle: str,
        alt: str,
        meta: dict[str, Any],
        arrays: dict[str, np.ndarray],
        table: Table,
        data: dict[str, Any],
        link: str = "",
        beside: "View | None" = None,
        compared: str = "",
    ):
        """`beside` is the same view of a second run B, shown in the same layout; `compared` says
        in place of both subtitles what there is to see."""
        arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
        if beside is not None:
            self.alike(beside)
            arrays |= {f"b.{name}": a for name, a in beside.arrays.items()}
            meta, data = {**meta, "beside": beside.meta}, {**data, "beside": beside.data}
            alt = f"{alt} Beside it a second run, B: {beside.subtitle} {compared}".strip()
            subtitle = compared or f"A: {subtitle} B: {beside.subtitle}"
            rows = zip_longest(table.rows, beside.table.rows)  # cut to its first rows it has both
            both = [
                (name, *row) for pair in rows for name, row in zip("AB", pair, strict=True) if row
            ]
            table = Table(("run", *table.head), both, table.caption)
        self.title, self.subtitle, self.alt, self.table = title, subtitle, alt, table
        self.data = data  # everything as it was given and derived: dicts of columns and arrays
        self.link = link  # views with the same link share their selection on a page
        self.arrays, self.meta, self.beside = arrays, meta, beside
        self._selection = Selection()
        self._widget: Any = None
        self._pictures: dict[tuple[str, int], bytes] = {}

    def alike(self, beside: "View") -> None:
        """A ValueError unless it is the same view of another run."""
        if type(beside) is not type(self):
            raise ValueError(f"beside is a {type(beside).__name__}, not {type(self).__name__}")

    # --- what the mouse did ---------------------------------------------------------------------

    @property
    def selection(self) -> Selection:
        """What is selected: set here, or with the mouse in the live widget."""
        if self._widget is not None:
            return Selection.of(self._widget.selection)
        return self._selection

    @selection.setter
    def selection(self, value: Selection) -> None:
        self._selection = value
        if self._widget is not None:
            self._widget.selection = value.json()

    def to_code(self) -> str:
        """The line of Python that selects again what is selected now."""
        return f"view.selection = {self.selection!r}"

    # --- what it looks like ---------------------------------------------------------------------

    def figure(self, colors: dict[str, str]):  # -> matplotlib.figure.Figure
        raise NotImplementedError

    def png(self, theme: str = "light", dpi: int = 110) -> bytes:
        """The picture, drawn in Python from the same data (once for each theme and size)."""
        if (theme, dpi) not in self._pictures:
            self._pictures[theme, dpi] = self._draw(theme, dpi)
        return self._pictures[theme, dpi]

    def _draw(self, theme: str, dpi: int) -> bytes:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        colors = palette(theme)
        style = {
            "font.size": 8.5, "axes.titlesize": 9, "axes.titlelocation": "left",
            "axes.titlecolor": colors["ink"], "text.color": colors["ink"],
            "axes.labelcolor": colors["soft"], "xtick.color": colors["soft"],
            "ytick.color": colors["soft"], "axes.edgecolor": colors["faint"],
            "axes.facecolor": colors["bg"], "figure.facecolor": colors["bg"],
            "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6,
            "xtick.major.width": 0.6, "ytick.major.width": 0.6, "hatch.linewidth": 0.5,
            "text.parse_math": False, "font.family": "sans-serif",
        }  # fmt: skip
        out = io.BytesIO()
        with matplotlib.rc_context(style), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a script this font lacks
            figure = self.figure(colors)
            FigureCanvasAgg(figure)
            height = figure.get_figheight()
            figure.text(0.01, 1 - 0.1 / height, self.title, size=11, weight="bold", va="top")
            told = "\n".join(textwrap.wrap(self.subtitle, 135)[:2])
            figure.text(0.01, 1 - 0.32 / height, told, color=colors["soft"], va="top")
            figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
        small = io.BytesIO()  # 256 colours: a third of the bytes, and no eye sees it
        how = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}  # rare ones, too
        Image.open(out).convert("RGB").quantize(256, **how).save(small, "png")
        return small.getvalue()

    def html(self, force: bool = False) -> str:
        """One page that works from a file, offline, without a kernel."""
        return _sized(_page([self], self.title), force, f"the page of {type(self).__name__}")

    def widget(self):  # -> anywidget.AnyWidget
        """The live widget (one per view); its selection is `view.selection`."""
        if self._widget is None:
            _, blob = self._packed
            self._widget = _widget_class(self.module)(
                spec=self.spec, blob=blob, selection=self._selection.json()
            )
        return self._widget

    @property
    def spec(self) -> dict[str, Any]:
        """All of the view but its bytes, as JSON."""
        index, _ = self._packed
        return {
            "view": self.module,
            "title": self.title,
            "subtitle": self.subtitle,
            "alt": self.alt,
            "link": self.link,
            "meta": self.meta,
            "table": self.table.cut(),
            "arrays": index,
        }

    @property
    def _packed(self) -> tuple[list[dict[str, Any]], bytes]:
        return pack(self.arrays)

    # --- in a notebook --------------------------------------------------------------------------

    def frame(self, force: bool = False) -> str:
        """The page in a sandboxed frame, for a place that shows HTML."""
        page = html.escape(self.html(force))
        return (
            f'<iframe class="ow-frame" data-link="{html.escape(self.link)}" sandbox="allow-scripts"'
            f' title="{escape(self.alt)}" style="width:100%;height:{self.height}px;border:0"'
            f' srcdoc="{page}"></iframe>{_HOST}'
        )

    def snapshot(self) -> str:
        """Picture and table as plain HTML: what is left where scripts are stripped."""
        picture = base64.b64encode(self.png()).decode()
        image = (
            f'<img alt="{escape(self.alt)}" style="max-width:100%"'
            f' src="data:image/png;base64,{picture}">'
        )
        return f"{image}<details><summary>Data table</summary>{table_html(self.table)}</details>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        plain = f"{type(self).__name__}: {self.title}. {self.subtitle}"
        if _render == "widget":
            bundle = self.widget()._repr_mimebundle_()
            return bundle if bundle is not None else {"text/plain": plain}
        if _render == "static":
            body = self.snapshot()
        else:
            body = (
                f"{self.frame()}<details><summary>Static snapshot</summary>"
                f"{self.snapshot()}</details>"
            )
        return {"text/html": _sized(body, False, "this output"), "text/plain": plain}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.subtitle}>"


def page(views: Sequence[View], title: str, force: bool = False) -> str:
    """Several views as one offline page; those of the same `link` share their selection."""
    return _sized(_page(views, title), force, "the page")


def link(*views: View) -> None:
    """Let live widgets share their selection, in the browser, without a kernel."""
    import ipywidgets

    first, *others = (view.widget() for view in views)
    for other in others:
        ipywidgets.jslink((first, "selection"), (other, "selection"))


# --- text and bytes that are safe to embed ------------------------------------------------------


def shown(text: str, limit: int = TEXT_LIMIT) -> str:
    """Text as it is displayed: controls made visible, long text cut, nothing reordered."""
    cut = text[:limit]
    out = []
    for char in cut:
        code = ord(char)
        if code < 32 or code == 127:
            out.append(repr(char)[1:-1])  # \\n, \\x1b
        elif 0xD800 <= code <= 0xDFFF:
            out.append("\ufffd")
        elif char != " " and unicodedata.category(char) in ("Cf", "Zl", "Zp", "Cc"):
            out.append(f"\u27e8U+{code:04X}\u27e9")  # direction marks, joiners, line separators
        else:
            out.append(char)
    return "".join(out) + (f"\u2026 (+{len(text) - limit})" if len(text) > limit else "")


def escape(text: str, limit: int = 2000) -> str:
    """Text for an HTML attribute or node; no link can come to life in it."""
    return html.escape(shown(text, limit)).replace("://", "&#58;&#47;&#47;")


def json_script(value: Any) -> str:
    """JSON that may stand inside a <script>: no tag, no comment, no address can be seen in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.replace("://", ":\\/\\/")


def table_html(table: Table) -> str:
    cut = table.cut()
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in cut["head"])
    rows = "".join(
        "<tr>" + "".join(f"<td><bdi>{escape(cell)}</bdi></td>" for cell in row) + "</tr>"
        for row in cut["rows"]
    )
    caption = f"<caption>{escape(cut['caption'])}</caption>" if cut["caption"] else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def pack(arrays: dict[str, np.ndarray]) -> tuple[list[dict[str, Any]], bytes]:
    """Arrays end to end, each at a multiple of 8 bytes, and where each one lies."""
    index, parts, offset = [], [], 0
    for name, array in arrays.items():
        if array.dtype.str[1:] not in ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"):
            raise TypeError(f"{name}: a browser has no type for {array.dtype}")
        raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        index.append(
            {"name": name, "type": array.dtype.str[1:], "shape": list(array.shape), "at": offset}
        )
        parts.append(raw + b"\0" * (-len(raw) % 8))
        offset += len(parts[-1])
    return index, b"".join(parts)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return shown(value)
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(value)


def _sized(text: str, force: bool, what: str) -> str:
    size = len(text.encode())
    if size > REFUSE_BYTES and not force:
        raise ValueError(
            f"{what} would be {size / 1e6:.1f} MB, more than {REFUSE_BYTES / 1e6:.0f} MB:"
            " show fewer layers, tokens or seconds, or pass force=True to .html()"
        )
    if size > WARN_BYTES:
        warnings.warn(f"{what} is {size / 1e6:.1f} MB", stacklevel=3)
    return text


# --- pages and widgets --------------------------------------------------------------------------

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.M)
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


@cache
def bundle(module: str) -> str:
    """The ES module of a view with what it imports: anywidget and offline pages take one file.

    The files import one another by name, so that node can test them; here the imports are dropped
    and the texts are put end to end, which is why no two files define the same name.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in parts:
            return
        text = (HERE / f"{name}.js").read_text(encoding="utf-8")
        for needed in _IMPORT.findall(text):
            add(needed)
        text = _IMPORT.sub("", text)
        if name != module:
            text = re.sub(r"^export (?=function|const|class)", "", text, flags=re.M)
        parts[name] = text

    add(module)
    return "\n".join(parts.values())


@cache
def style() -> str:
    return (HERE / "style.css").read_text(encoding="utf-8")


@cache
def palette(theme: str) -> dict[str, str]:
    """The colours of style.css by name, so that pictures and pages agree."""
    if theme not in ("light", "dark"):
        raise ValueError(f'theme is "light" or "dark", not {theme!r}')
    light, dark = re.split(r'\[data-theme="dark"\]', style(), maxsplit=1)
    found = dict(re.findall(r"--ow-([\w-]+): (#[0-9a-f]{6});", light))
    if theme == "dark":
        found |= dict(re.findall(r"--ow-([\w-]+): (#[0-9a-f]{6});", dark))
    return found


# a host page lets a frame have the height it asks for, tells it the theme of the notebook, and
# hands a selection on to frames of the same link
_HOST = """<script>
if (!window.owHost) {
  window.owHost = true;
  const all = () => [...document.querySelectorAll("iframe.ow-frame")];
  const tell = (frame) => {
    const light = document.body.dataset.jpThemeLight;
    if (light) frame.contentWindow.postMessage({ ow: "theme", dark: light === "false" }, "*");
  };
  new MutationObserver(() => all().forEach(tell)).observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light"],
  });
  addEventListener("message", (event) => {
    const frames = all();
    const own = frames.find((frame) => frame.contentWindow === event.source);
    if (!own || !event.data) return;
    if (event.data.ow === "height") {
      own.style.height = Math.min(4000, Math.ceil(event.data.height)) + "px";
      tell(own);
    }
    if (event.data.ow === "selection" && own.dataset.link)
      for (const frame of frames)
        if (frame !== own && frame.dataset.link === own.dataset.link)
          frame.contentWindow.postMessage(event.data, "*");
  });
}
</script>"""


def _page(views: Iterable[View], title: str) -> str:
    body = []
    for i, view in enumerate(views):
        index, blob = view._packed
        spec = {**view.spec, "selection": view.selection.json()}
        packed = base64.b64encode(zlib.compress(blob, 6)).decode()
        body.append(
            f'<div id="ow-{i}"></div>'
            f'<script type="application/json" id="ow-spec-{i}">{json_script(spec)}</script>'
            f'<script type="application/json" id="ow-blob-{i}">"{packed}"</script>'
            f'<script type="module">{bundle(view.module)}\nmount(render, {i});</script>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{style()}</style></head>"
        f'<body class="ow-page">{"".join(body)}</body></html>'
    )


@cache
def _widget_class(module: str):
    import anywidget
    import traitlets

    class ViewWidget(anywidget.AnyWidget):
        _esm = bundle(module)
        _css = style()
        spec = traitlets.Dict().tag(sync=True)
        blob = traitlets.Bytes().tag(sync=True)
        selection = traitlets.Dict().tag(sync=True)

    return ViewWidget


# --- what the views need to read their arrays ---------------------------------------------------


def column(
    table: Any, name: str, dtype: str, length: int | None = None, of: str = "", default: Any = None
) -> np.ndarray:
    """One column of a table (a dict, a DataFrame, a structured array) as a flat array."""
    names = getattr(getattr(table, "dtype", None), "names", None) or list(table)
    if name not in names:
        if default is None:
            raise ValueError(f"{of} lacks the column {name!r}; it has {', '.join(map(str, names))}")
        return np.full(length, default, dtype)
    out = np.asarray(table[name])
    if out.ndim != 1 or (length is not None and len(out) != length):
        raise ValueError(f"{of}[{name!r}] has shape {out.shape}, expected ({length or 'n'},)")
    try:
        return out.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{of}[{name!r}] holds {out.dtype}, expected {dtype}") from error


def shaped(array: Any, name: str, shape: str, dtype: str, **sizes: int) -> np.ndarray:
    """An array of the shape that the letters say; sizes that are known must agree."""
    out = np.asarray(array)
    letters = shape.split()
    expected = [int(s) if s.isdigit() else sizes.get(s) for s in letters]
    if out.ndim != len(letters) or any(
        want is not None and want != got for want, got in zip(expected, out.shape, strict=False)
    ):
        told = ", ".join(
            s if want is None or s.isdigit() else f"{s}={want}"
            for s, want in zip(letters, expected, strict=True)
        )
        raise ValueError(f"{name} has shape {out.shape}, expected ({told})")
    kinds = {"i": "iu", "u": "iu", "f": "fiu", "b": "b"}[np.dtype(dtype).kind]
    if out.dtype.kind not in kinds:
        raise ValueError(f"{name} holds {out.dtype}, expected {dtype}")
    return out.astype(dtype, copy=False)


def strings(values: Iterable[Any], length: int, name: str) -> list[str]:
    out = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    if len(out) != length:
        raise ValueError(f"{name} has {len(out)} strings, expected {length}")
    return out


def floats(values: np.ndarray, digits: int = 4) -> list[float | None]:
    """Numbers for JSON, which has no NaN."""
    return [None if not np.isfinite(v) else round(float(v), digits) for v in values]
