"""Edits: one change each, as a value with a repr and JSON, that a lab puts on and takes off again.

    with lab.edit(wb.ban_expert(3, [5, 9]), wb.shift_timestamps(2.0)) as edits:
        alt = lab.rerun(run)
    edits[0].json()                                   # "{...}"; `from_json` reads it back

| file | made by | what changes |
|---|---|---|
| experts | ban_expert, force_expert, shuffle_experts | who may be, must be, or is chosen |
| | top_k, router_temperature | how many are chosen, how evenly they count |
| | next_best | at some tokens, the best expert is passed over |
| parts | zero_head, mean_head, zero_layer, mean_layer | what a head or a block adds |
| | patch | what a part returned, taken from another run |
| speaking | pace, aria, fixed_ratio, text_first | when the Talker takes its next word |
| | dual_track | the Talker itself: text and speech summed in one track |
| hearing | hearing_window | seconds that the audio encoder attends to |
| | drop_, shift_, stretch_, scramble_, space_timestamps | what the timestamps say, how often |
| | compact_places | places of a video without gaps |

Left out: edits of weights (change the model itself, then).
"""

from workbench.edits.base import Edit, from_json
from workbench.edits.experts import (
    BanExperts,
    ForceExperts,
    NextBest,
    RouterTemperature,
    ShuffleExperts,
    TopK,
    ban_expert,
    force_expert,
    next_best,
    router_temperature,
    shuffle_experts,
    top_k,
)
from workbench.edits.hearing import (
    CompactPlaces,
    DropTimestamps,
    HearingWindow,
    ScrambleTimestamps,
    ShiftTimestamps,
    SpaceTimestamps,
    StretchTimestamps,
    compact_places,
    drop_timestamps,
    edited,
    hearing_window,
    scramble_timestamps,
    shift_timestamps,
    space_timestamps,
    stretch_timestamps,
)
from workbench.edits.parts import (
    Patch,
    SetHead,
    SetLayer,
    mean_head,
    mean_layer,
    patch,
    zero_head,
    zero_layer,
)
from workbench.edits.speaking import (
    SetDualTrack,
    SetPace,
    aria,
    dual_track,
    fixed_ratio,
    pace,
    text_first,
)

EDITS = (
    BanExperts, ForceExperts, ShuffleExperts, TopK, RouterTemperature, NextBest, SetHead, SetLayer,
    Patch, HearingWindow, SetPace, SetDualTrack, DropTimestamps, ShiftTimestamps,
    StretchTimestamps, ScrambleTimestamps, SpaceTimestamps, CompactPlaces,
)  # fmt: skip

__all__ = [
    "EDITS", "Edit", "aria", "ban_expert", "compact_places", "drop_timestamps", "dual_track",
    "edited", "fixed_ratio", "force_expert", "from_json", "hearing_window", "mean_head",
    "mean_layer", "next_best", "pace", "patch", "router_temperature", "scramble_timestamps",
    "shift_timestamps", "shuffle_experts", "space_timestamps", "stretch_timestamps", "text_first",
    "top_k", "zero_head", "zero_layer", *(kind.__name__ for kind in EDITS),
]  # fmt: skip
