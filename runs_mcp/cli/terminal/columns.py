"""Tables for people: as many columns as a line has room for, each cell on one line."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from runs_mcp.server.render.cuts import fair_share

GAP = 2
NARROWEST = 16
"""Columns of the terminal that a column of texts keeps at least."""
STATUS_STYLES = {"failed": "red", "completed": "green", "processing": "yellow", "created": "cyan"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    cells: Sequence[str]
    is_number: bool = False
    may_be_cut: bool = True
    rank: int = 0
    """Columns with the highest rank make room for the others; those of rank 0 are always shown."""
    style: str = ""

    @property
    def longest(self) -> int:
        """The columns of the terminal that the widest cell takes."""
        return max(map(cell_len, (self.name, *self.cells)))

    @property
    def narrowest(self) -> int:
        """The columns of the terminal that the table keeps for it."""
        return min(self.longest, NARROWEST) if self.may_be_cut else self.longest


def fitting(columns: Sequence[Column], width: int) -> Sequence[Column]:
    """Return the columns that fit into `width` next to each other."""
    kept = list(columns)
    while sum(column.narrowest + GAP for column in kept) - GAP > width:
        least = max(kept, key=lambda column: column.rank)
        if not least.rank:
            break
        kept.remove(least)
    return kept


def table(columns: Sequence[Column], width: int, *, footer: Sequence[str] = ()) -> Table:
    """Return a table of `columns` in at most `width` columns of the terminal; `footer` is its last row."""
    drawn = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, show_footer=bool(footer), header_style="bold")
    for number, (column, wide) in enumerate(zip(columns, _widths(columns, width), strict=True)):
        drawn.add_column(
            column.name,
            footer[number] if footer else "",
            justify="right" if column.is_number else "left",
            style=column.style,
            footer_style="bold",
            no_wrap=True,
            overflow="ellipsis",
            width=wide,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        drawn.add_row(*(Text(cell, STATUS_STYLES.get(cell, "")) for cell in row))
    return drawn


def _widths(columns: Sequence[Column], width: int) -> Sequence[int]:
    """Return the width of each of `columns`; those that may be cut share the room that the others leave.

    The widths are set, since Rich shrinks columns that do not wrap below their minimum.
    """
    room = width - sum(GAP if column.may_be_cut else column.longest + GAP for column in columns) + GAP
    longest = fair_share([column.longest for column in columns if column.may_be_cut], room)
    return [max(min(column.longest, longest), 1) if column.may_be_cut else column.longest for column in columns]
