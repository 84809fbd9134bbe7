"""The views in a Panel page: the same file that a notebook takes, and one selection for all.

    shown = hosted(run.view)           # a panel each; a click in one moves the others

Left out: nothing is drawn here; see widgets/.
"""

from collections.abc import Callable, Iterable
from functools import cache

import param
from panel.custom import AnyWidgetComponent

from widgets.view import Selection, View, bundle, pack, style


class Hosted(AnyWidgetComponent):
    """What a view's module expects of its host."""

    spec = param.Dict({})
    blob = param.Bytes(b"")
    selection = param.Dict({})

    __abstract = True


@cache
def host(module: str) -> type[Hosted]:
    """The component that runs one of the views' modules."""
    made = {"_esm": bundle(module), "_stylesheets": [style()]}
    return type(f"Hosted{module.capitalize()}", (Hosted,), made)


def hosted(
    views: Iterable[View], told: Callable[[Selection], None] = lambda selection: None
) -> list[Hosted]:
    """The views as panels that share their selection; `told` hears what is selected."""
    panels = [
        host(view.module)(
            spec=view.spec,
            blob=pack(view.arrays)[1],
            selection=view.selection.json(),
            sizing_mode="stretch_width",
        )
        for view in views
    ]

    def share(event: param.parameterized.Event) -> None:
        for panel in panels:
            if panel.selection != event.new:
                panel.selection = event.new
        told(Selection.of(event.new))

    for panel in panels:
        panel.param.watch(share, "selection")
    return panels
