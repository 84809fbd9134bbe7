"""What did it listen to: the answer's log-probability shared out over pieces of what was given.

    run = lab.run(audio="question.wav")
    why = run.attribute(" plus", over="audio", method="shapley")     # a typed `Attribution`
    why                                                # the view; print(why) has the check of sums
    lab.attribute(wb.open("question.omnirun"), over="text", method="ablation")

What is explained is a number: the log-probability of some tokens of the recorded answer (or of
frames of its speech) when the model reads the question and the answer is given to it as it was
recorded. Pieces of the question are taken away, and Captum's methods share the change out among
them; here are only the number and the result.

    targets.py    the number: tokens of the answer, or frames of its speech
    methods.py    Captum's methods, what they ask the model, and what that costs
    result.py     the shares as a value: sums, table, view

The pieces, and what stands in place of one: workbench/pieces.py.

| method | of Captum | the parts add up |
|---|---|---|
| ablation | FeatureAblation: each piece alone is taken away | no |
| shapley | ShapleyValueSampling, `samples` orders, with their standard error | exactly |
| kernel-shap | KernelShap on `samples` sets of pieces | nearly |
| lime | Lime on `samples` sets of pieces | no |
| integrated-gradients | IntegratedGradients on the embeddings, `samples` steps | nearly |
| gradient-x-input | InputXGradient on the embeddings | no |

The gradient methods move the embeddings that the Thinker reads, from those of the absent sound or
picture (for words and timestamps: from zeros) to the true ones. Where a router changes its experts
on the way, the log-probability jumps, which no gradient sees: then they don't add up, and it is
said by how much.
Pieces are such inputs as Captum's LLMAttribution takes; that class itself wants a transformers
model and one input a forward, so the methods that it calls are called directly.

Left out: the Talker's own words as pieces; several texts, sounds or pictures as one set of pieces.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from workbench.attribution.methods import (
    ADD_UP,
    GRADIENTS,
    METHODS,
    SAMPLES,
    Asked,
    Shares,
    Stopped,
    by_gradient,
    by_taking_away,
)
from workbench.attribution.result import Attribution, positions_of
from workbench.attribution.targets import Spoken, Written, target_of
from workbench.edits import edited
from workbench.pieces import TOLD, Question, one_of, pieces_of
from workbench.run import Run

__all__ = [
    "ADD_UP", "METHODS", "SAMPLES", "Asked", "Attribution", "Shares", "Spoken", "Stopped",
    "Written", "attribute", "by_taking_away", "positions_of",
]  # fmt: skip

BATCH = 8  # inputs that the model reads at once
BUDGET = 300.0  # seconds


def attribute(
    run: Run,
    target: int | str | Sequence[int] | None = None,
    over: str = "audio",
    method: str = "ablation",
    *,
    lab: Any = None,
    stage: str = "thinker",
    cut: Any = None,
    absent: str = "",
    part: int = -1,
    samples: int | None = None,
    seed: int = 0,
    batch: int = BATCH,
    budget: float = BUDGET,
    progress: bool = True,
    stop: Callable[[], bool] | None = None,
) -> Attribution:
    """Share the log-probability of the recorded answer out over pieces of the question.

    Args:
        target: a token of the answer (its number, or its text), several, or None for all of it;
            with stage="talker" the numbers of frames, whose score is that of all their codes
        over, cut, absent: what is cut into pieces, how, and what stands in place of a piece: see
            the table at the head of pieces.py
        method: one of `METHODS`
        lab: the lab whose model is asked; a Run made in this process remembers its own
        part: which of several sounds, pictures or texts, the last one by default
        samples: orders, sets of pieces, or steps
        batch: inputs that are read at once; one if the run has edits, some of which count positions
        budget: seconds; what would take longer is refused before it begins
        stop: asked before every forward pass; `Stopped` is raised when it says yes
    """
    lab = _lab(run, lab)
    one_of(over, tuple(TOLD), "over")
    one_of(method, METHODS, "method")
    count = SAMPLES[method] if samples is None else int(samples)
    if count < 1 or batch < 1:
        raise ValueError(f"samples and batch must be at least 1, not {count} and {batch}")
    goal = target_of(run, target, stage)
    begun = time.perf_counter()
    with _as_recorded(lab, run), torch.no_grad():
        inputs, clock = edited(run.inputs, run.edits, lab.omni)
        question = Question(lab.omni, inputs, clock)
        pieces = pieces_of(question, over, cut, absent, part, seed)
        ask = Asked(
            pieces.input, lambda given: goal.score(lab.omni, pieces.read(given)), stop, progress
        )
        try:
            if method in GRADIENTS:
                shares = by_gradient(ask, goal, lab.omni, pieces, method, count, batch, budget)
            else:
                batch = 1 if run.edits else batch
                shares = by_taking_away(ask, method, count, seed, batch, budget)
        finally:
            ask.bar.close()
    without = TOLD[over][absent or next(iter(TOLD[over]))]
    if method in GRADIENTS and not pieces.same_layout:
        without = "moved to zero"
    return Attribution(
        run=run,
        over=over,
        method=method,
        stage=stage,
        targets=goal.index,
        labels=tuple(pieces.labels),
        kind=np.full(len(pieces.labels), pieces.kind, np.uint8),
        time=pieces.time.astype(np.float32),
        members=pieces.members,
        without=without,
        values=shares.values.astype(np.float32),
        error=None if shares.error is None else shares.error.astype(np.float32),
        each=None if shares.each is None else shares.each.astype(np.float32),
        full=shares.full.astype(np.float32),
        empty=shares.empty.astype(np.float32),
        samples=count,
        seed=seed,
        passes=ask.passes,
        seconds=time.perf_counter() - begun,
        cells=pieces.cells,
    )


# --- the model, as it was when the run was made -------------------------------------------------


def _lab(run: Run, lab: Any) -> Any:
    remembered = getattr(run, "_lab", lambda: None)()
    lab = lab or remembered
    if lab is None:
        raise ValueError(
            "a run from a file has no model (and one whose lab is gone has none any more): say"
            " which lab to ask, run.attribute(..., lab=lab)"
        )
    if not run.inputs.messages:
        raise ValueError("a text that was read aloud answers nothing: attribute a run of lab.run")
    if lab is not remembered and lab.about.fingerprint != run.meta.fingerprint:
        raise ValueError(
            f"the run was made by {run.meta.model} {run.meta.fingerprint[:8]}, the lab has"
            f" {lab.about.model} {lab.about.fingerprint[:8]}: the answer is not its own"
        )
    return lab


def _as_recorded(lab: Any, run: Run):
    """The run's own edits, put on unless they are on already."""
    if [e.json() for e in lab.edits] == [e.json() for e in run.edits]:
        return lab.edit()
    if lab.edits:
        raise ValueError(
            f"the lab has edits on that the run had not ({', '.join(map(repr, lab.edits))}): a run"
            " is explained as it was made, leave the `with` first"
        )
    return lab.edit(*run.edits)
