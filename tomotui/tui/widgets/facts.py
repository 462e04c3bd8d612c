"""Labels and values under headings, for panes of details."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from tomotui.tui.theme import Look


class Facts:
    """Collects lines and draws them: labels in one column, values wrapped in another.

    Parameters
    ----------
    label_cells
        Width of the column of labels.
    """

    def __init__(self, look: Look, label_cells: int = 11) -> None:
        self.look = look
        self._label_cells = label_cells
        self._parts: list[Grid | Text] = []

    @property
    def plain(self) -> str:
        """All text, a line for each; for tests and copying."""
        lines: list[str] = []
        for part in self._parts:
            if isinstance(part, Text):
                lines.append(part.plain)
            else:
                columns = [[str(cell) for cell in column.cells] for column in part.columns]
                lines += [" ".join(row) for row in zip(*columns, strict=True)]
        return "\n".join(lines)

    def heading(self, words: str) -> None:
        """Begin a section."""
        if self._parts:
            self._parts.append(Text(""))
        self._parts.append(Text(words, Style(color=self.look.primary)))

    def line(self, label: str, value: str, unit: str = "", role: str = "foreground") -> None:
        """Add a label with its value."""
        words = Text(value, self.look.colour(role), overflow="fold")
        if unit:
            words.append(f" {unit}", self.look.dim)
        self.pair(label, words)

    def pair(self, label: str, words: Text) -> None:
        """Add a label with words of several colours."""
        if not self._parts or isinstance(self._parts[-1], Text):
            grid = Grid.grid(padding=(0, 1))
            grid.add_column(width=self._label_cells)
            grid.add_column(ratio=1, overflow="fold")
            grid.expand = True
            self._parts.append(grid)
        last = self._parts[-1]
        assert isinstance(last, Grid)
        words.overflow = "fold"
        last.add_row(Text(label, self.look.dim), words)

    def text(self, words: str, role: str = "foreground") -> None:
        """Add words over the whole width."""
        self._parts.append(Text(words, self.look.colour(role), overflow="fold"))

    def blank(self) -> None:
        """Leave a line free."""
        self._parts.append(Text(""))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the parts below each other."""
        yield from self._parts
