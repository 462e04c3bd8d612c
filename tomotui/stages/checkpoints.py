"""What a long task has reached, kept in its folder so that another attempt goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tomotui.stages.base import StageError, Task

CHECKPOINT_FILE = "checkpoint.pt"


class Checkpoint:
    """The checkpoint of one task.

    Parameters
    ----------
    task
        Whose.
    of
        What tells this work from other work, such as its parameters.
    what
        The work in one word, for the log.
    """

    def __init__(self, task: Task, of: str, what: str = "training") -> None:
        self.task, self.of, self.what = task, of, what
        self.path = task.folder / CHECKPOINT_FILE

    def keep(self, values: dict[str, Any]) -> None:
        """Write tensors and plain values, whole or not at all.

        Raises
        ------
        StageError
            When they cannot be written.
        """
        import torch

        temporary = self.path.with_name(f".{self.path.name}.partial")
        try:
            torch.save({"of": self.of, "values": values}, temporary)
            temporary.replace(self.path)
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            raise StageError(
                f"{self.path} cannot be written: {error}.", "Free some room."
            ) from error

    def resume(self, take: Callable[[dict[str, Any]], None], device: str) -> bool:
        """Let what an attempt before has kept be taken up; false where there is nothing of use.

        Parameters
        ----------
        take
            Takes the values up; what it raises makes the checkpoint one of no use.
        device
            Where tensors go.
        """
        import torch

        if not self.path.is_file():
            return False
        try:
            kept = torch.load(self.path, map_location=device, weights_only=True)
            if kept["of"] != self.of:
                self.task.log(
                    f"the checkpoint is of other choices or particles: {self.what} begins anew"
                )
                return False
            take(kept["values"])
        except Exception as error:  # a torn file may fail to load in any way
            self.task.warn(f"{self.path} cannot be used ({error}): {self.what} begins anew")
            return False
        return True

    def forget(self) -> None:
        """Remove it: the work is done."""
        self.path.unlink(missing_ok=True)


def smoothed(mean: float, value: float, share: float) -> float:
    """Return a running mean in which a new value has a share; the first value begins it."""
    return mean + share * (value - mean) if mean else value
