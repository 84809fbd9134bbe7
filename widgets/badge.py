"""A line beside a slider that says what is shown, and gives the slider the name that it lacks.

    badge = badge_class()(label=slider.description, value="shown is 3", stale=False)
    ipywidgets.HBox([slider, badge])

Read aloud when it changes (role=status). Left out: other controls, which ipywidgets names itself.
"""

from functools import cache
from pathlib import Path


@cache
def badge_class() -> type:
    """The widget; made on first use, so that nothing of Jupyter is imported before."""
    import anywidget
    import traitlets

    class Badge(anywidget.AnyWidget):
        _esm = Path(__file__).with_suffix(".js")
        value = traitlets.Unicode().tag(sync=True)
        stale = traitlets.Bool().tag(sync=True)
        label = traitlets.Unicode().tag(sync=True)

    return Badge
