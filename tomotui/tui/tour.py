"""The guided tour: its steps, and going on when what a step asks for was done."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{([a-z_]+\.[a-z_0-9]+)\}")


@dataclass(frozen=True)
class Step:
    """One thing to be learnt by doing it.

    Attributes
    ----------
    words
        What there is to know.
    ask
        What to do; ``{action.id}`` stands for the key of an action.
    heard
        The actions that fulfil it, whichever key, click or word brought them about.
    mode
        The mode that fulfils it when it is reached.
    """

    title: str
    words: str
    ask: str
    heard: tuple[str, ...] = ()
    mode: str = ""


STEPS = (
    Step(
        "a project",
        "A row for each tilt series, a column for each stage. The sample is aligned and "
        "reconstructed in a minute or two; until then its tilt images are what there is to see.",
        "{list.open} on the row opens the series",
        mode="slices",
    ),
    Step(
        "slices",
        "A tomogram is looked at slice by slice. The wheel does it too, and capital letters go "
        "by ten.",
        "{slice.next} and {slice.previous} go through the slices",
        heard=("slice.next", "slice.previous", "slice.next_10", "slice.previous_10"),
    ),
    Step(
        "contrast",
        "Half of seeing is contrast. It follows the picture until you set it; "
        "{slice.contrast_auto} lets it follow again.",
        "{slice.contrast_more} and {slice.contrast_less} make it stronger and weaker",
        heard=("slice.contrast_more", "slice.contrast_less"),
    ),
    Step(
        "noise",
        "A mean of neighbouring slices, or a low-pass filter, takes noise away. The title says "
        "what is on.",
        "{slice.slab_thicker} for a thicker slab, or {slice.filter} for the next filter",
        heard=("slice.slab_thicker", "slice.filter"),
    ),
    Step(
        "from the side",
        "Tilts stop at 60 degrees, so that what lies flat is smeared in depth: seen from the side "
        "that is plain.",
        "{slice.axis} turns the volume; press it until you are back",
        heard=("slice.axis",),
    ),
    Step(
        "quality",
        "How well the tilts agree, how they moved, what their spectra tell: figures as charts.",
        "{app.quality} shows the quality of the series; {app.back} comes back",
        heard=("app.quality",),
    ),
    Step(
        "jobs",
        "Whatever takes time is a job: a process of its own that outlives this terminal, with a "
        "log, a cause when it fails, and a key to run it again.",
        "{mode.jobs} shows the jobs",
        mode="jobs",
    ),
    Step(
        "particles",
        "Candidates are reviewed one key each: {pick.accept} accepts, {pick.reject} rejects, and "
        "on it goes. A project without any begins with marks made by hand.",
        "{mode.picks} goes to the picks",
        mode="picks",
    ),
    Step(
        "marking",
        "A set has a name and a diameter, such as ribosome and 250. Then a crosshair is steered "
        "with the arrows, and enter marks what is under it.",
        "{pick.choose_set} begins a set; then {pick.mark} steers and marks, esc ends that",
        heard=("pick.insert", "pick.accept", "pick.reject"),
    ),
    Step(
        "undo",
        "Nothing that you decide is lost or final: decisions are kept as they were made.",
        "{pick.undo} takes the last one back",
        heard=("pick.undo", "gallery.undo", "app.undo"),
    ),
    Step(
        "the palette",
        "Everything that can be done here, found by a few letters of its name.",
        "{app.palette} opens the palette",
        heard=("app.palette",),
    ),
    Step(
        "the command line",
        "The same in words: tab completes them. Try  :run  for a stage, or  :theme .",
        "{app.command} begins a command",
        heard=("app.command",),
    ),
    Step(
        "help",
        "Help lists the keys that work where you are, made from the keys themselves.",
        "{app.help} shows the keys of this screen",
        heard=("app.help",),
    ),
    Step(
        "leaving",
        "Jobs go on without you. Come back with the same command, from anywhere: you are where "
        "you left.",
        "{app.quit} leaves; start again to end the tour",
        heard=("app.quit",),
    ),
)

FAREWELL = Step(
    "the end",
    "You came back, and all is as it was. That was the tour: :import takes your own series in.",
    "{app.tour_leave} closes this",
)


@dataclass
class Tour:
    """Where somebody is in the tour.

    Attributes
    ----------
    at
        Number of the step; behind the last there is the farewell.
    """

    at: int = 0
    is_on: bool = False

    @property
    def step(self) -> Step:
        """The step that is to be done."""
        return STEPS[self.at] if self.at < len(STEPS) else FAREWELL

    def begin(self, again: bool = False) -> None:
        """Take the tour up, or begin anew when it was ended."""
        if again or self.at >= len(STEPS):
            self.at = 0
        self.is_on = True

    def skip(self, by: int = 1) -> None:
        """Go on without doing what is asked, or back."""
        self.at = min(max(self.at + by, 0), len(STEPS))

    def hear(self, actions: Collection[str], mode: str) -> bool:
        """Go on when one of these actions, or the mode, is what is asked for; tells whether."""
        step = self.step
        done = bool(set(step.heard) & set(actions)) or bool(step.mode and step.mode == mode)
        if not (self.is_on and done):
            return False
        self.at += 1
        return True


def with_keys(words: str, key_of: Callable[[str], str]) -> list[tuple[str, bool]]:
    """Return text in parts, each with whether it is a key."""
    parts = _PLACEHOLDER.split(words)
    return [
        (key_of(part) if at % 2 else part, bool(at % 2)) for at, part in enumerate(parts) if part
    ]
