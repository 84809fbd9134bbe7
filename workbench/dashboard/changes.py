"""The second card: what is changed. Edits as forms, several at once, as the Python that makes them.

Left out: which edits there are (form.py reads them from workbench/edits).
"""

from collections.abc import Callable

import panel as pn

from widgets.view import escape
from workbench.dashboard.form import Choice, Field, Maker, makers
from workbench.dashboard.look import html, line, stack

ADD = "Add a change \u2026"


class Changes:
    def __init__(self, ranges: dict[str, str]):
        """`ranges` says what fields may hold."""
        self.changed: Callable[[], None] = lambda: None  # called when an edit is another one
        self.ranges = ranges
        self.edits: list[_Edit] = []
        groups = {"": {ADD: ""}}
        for maker in makers().values():
            groups.setdefault(maker.group, {})[maker.label] = maker.name
        self.add = pn.widgets.Select(groups=groups, value="", sizing_mode="stretch_width")
        self.listed = stack(visible=False)
        self.panel = stack(self.listed, self.add)
        self.add.param.watch(self._added, "value")

    def choices(self) -> tuple[Choice, ...]:
        """The edits as they are filled in; a ValueError where one is not."""
        return tuple(edit.choice() for edit in self.edits)

    def put(self, name: str, **texts: str) -> None:
        """One more edit, with some of its fields filled in."""
        edit = _Edit(makers()[name], lambda: self.changed(), self._remove, self.ranges)
        for field, text in texts.items():
            edit.inputs[field].value = text
        self.edits.append(edit)
        self._list()

    def _added(self, event) -> None:
        if event.new:
            self.add.value = ""
            self.put(event.new)

    def _remove(self, edit: "_Edit") -> None:
        self.edits.remove(edit)
        self._list()

    def _list(self) -> None:
        self.listed.objects = [edit.panel for edit in self.edits]
        self.listed.visible = bool(self.edits)
        self.changed()


class _Edit:
    """One edit as a form."""

    def __init__(
        self,
        maker: Maker,
        changed: Callable[[], None],
        remove: Callable[["_Edit"], None],
        ranges: dict[str, str],
    ):
        self.maker = maker
        self.inputs = {field.name: _input(field, ranges) for field in maker.fields}
        for widget in self.inputs.values():
            widget.param.watch(lambda _event: changed(), "value")
        away = pn.widgets.Button(label="Remove", css_classes=["plain"])
        away.on_click(lambda _event: remove(self))
        head = html(f"<p><b>{escape(maker.label)}</b></p><p class='soft'>{escape(maker.about)}</p>")
        head.styles = {"flex": "1 1 160px"}
        self.panel = stack(
            line(head, away, flex_wrap="nowrap"), line(*self.inputs.values()), css_classes=["edit"]
        )

    def choice(self) -> Choice:
        return self.maker.filled({name: box.value for name, box in self.inputs.items()})


def _input(field: Field, ranges: dict[str, str]) -> pn.widgets.Widget:
    grows = {"flex": "1 1 84px"}
    if field.options:
        return pn.widgets.Select(
            label=field.name,
            options=list(field.options),
            value=field.start,
            styles=grows,
            width=None,
        )
    hint = ranges.get(field.name, "")
    hint = hint if field.start else f"all; or {hint}"
    return pn.widgets.TextInput(
        label=field.name, value=field.start, placeholder=hint, styles=grows, width=None,
    )  # fmt: skip
