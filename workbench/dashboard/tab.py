"""What one browser tab holds: the job it waits for, the one it shows, the one it has pinned.

    tab = Tab(desk)
    tab.run(order); ...; tab.look()     # the job is over: its run is shown
    tab.pin()                           # that run is A; the next one that is run is B
    tab.compared                        # that B, while A is pinned: its change, and both in views

Two tabs share the desk, and nothing else.
"""

from dataclasses import replace
from secrets import token_hex

from workbench.dashboard.job import Job, Order
from workbench.desk import Desk


class Tab:
    def __init__(self, desk: Desk):
        self.desk, self.owner = desk, token_hex(8)
        self.job: Job | None = None  # the last that was asked for
        self.shown: Job | None = None  # the last that has a run
        self.pinned: Job | None = None

    @property
    def busy(self) -> bool:
        return self.job is not None and self.job.live

    @property
    def compared(self) -> Job | None:
        """The one that is shown, if it was compared with the one that is pinned."""
        a, b = self.pinned, self.shown
        same = a is not None and b is not None and b.order.beside is a.run
        return b if same and b.change is not None else None

    def run(self, order: Order) -> None:
        """Ask for a turn; it will be compared with what is pinned now."""
        if self.busy:
            raise ValueError("a turn of this tab is still going; stop it first")
        beside = None if self.pinned is None else self.pinned.run
        self.job = Job(self.desk, replace(order, beside=beside), self.owner)

    def stop(self) -> None:
        if self.job is not None:
            self.job.stop()

    def look(self) -> bool:
        """Whether there is something new to show."""
        job = self.job
        if job is None or job.live or job.run is None or job is self.shown:
            return False
        self.shown = job
        return True

    def pin(self) -> None:
        """The run that is shown is A from now on."""
        if self.shown is None:
            raise ValueError("there is no run to pin yet")
        self.pinned = self.shown

    def unpin(self) -> None:
        self.pinned = None
