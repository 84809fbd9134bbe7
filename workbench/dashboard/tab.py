"""What one browser tab holds: the turn it waits for, the run it shows, the run it has pinned.

    tab = Tab(desk)
    tab.run(ask); ...; tab.look()       # the turn is over: its run is shown
    tab.pin()                           # that run is A; the next one that is run is B
    tab.compared                        # that B, while A is pinned: its change, and both in views

Two tabs share the desk, and nothing else.
"""

from dataclasses import replace

from workbench.dashboard.desk import Ask, Desk, Turn


class Tab:
    def __init__(self, desk: Desk):
        self.desk = desk
        self.turn: Turn | None = None  # the last that was asked for
        self.shown: Turn | None = None  # the last that has a run
        self.pinned: Turn | None = None

    @property
    def busy(self) -> bool:
        return self.turn is not None and self.turn.live

    @property
    def compared(self) -> Turn | None:
        """The turn that is shown, if it was compared with the one that is pinned."""
        a, b = self.pinned, self.shown
        same = a is not None and b is not None and b.ask.beside is a.run
        return b if same and b.change is not None else None

    def run(self, ask: Ask) -> None:
        """Ask for a turn; it will be compared with what is pinned now."""
        if self.busy:
            raise ValueError("a turn of this tab is still going; stop it first")
        beside = None if self.pinned is None else self.pinned.run
        self.turn = self.desk.put(replace(ask, beside=beside))

    def stop(self) -> None:
        if self.turn is not None and self.turn.live:
            self.desk.stop(self.turn)

    def look(self) -> bool:
        """Whether there is something new to show."""
        turn = self.turn
        if turn is None or turn.live or turn.run is None or turn is self.shown:
            return False
        self.shown = turn
        return True

    def pin(self) -> None:
        """The run that is shown is A from now on."""
        if self.shown is None:
            raise ValueError("there is no run to pin yet")
        self.pinned = self.shown

    def unpin(self) -> None:
        self.pinned = None
