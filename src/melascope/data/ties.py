"""What belongs together in any number of steps."""

from __future__ import annotations

__all__ = ["Key", "Ties"]

Key = tuple[str, str]
"""What kind of name it is, such as ``patient``, and the name."""


class Ties:
    """A forest of names: two that were joined, if through others, have the same top (Galler and Fischer 1964).

    Example:
        >>> ties = Ties()
        >>> ties.join(("patient", "anna"), ("group", "family"))
        >>> ties.join(("patient", "bert"), ("group", "family"))
        >>> ties.top(("patient", "anna")) == ties.top(("patient", "bert")) != ties.top(("patient", "carl"))
        True
    """

    def __init__(self) -> None:
        self._above: dict[Key, Key] = {}

    def top(self, key: Key) -> Key:
        """The one that stands for all that are joined with `key`; itself if none is."""
        above = self._above
        while above.setdefault(key, key) != key:
            above[key] = key = above[above[key]]
        return key

    def join(self, first: Key, *others: Key) -> None:
        """Ties others to the first; the first one's top stands for all."""
        for other in others:
            self._above[self.top(other)] = self.top(first)
