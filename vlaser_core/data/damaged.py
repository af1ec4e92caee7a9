"""One item that cannot be used, with the reason it is counted under."""

from __future__ import annotations

from vlaser_core.errors import InputError


class Damaged(InputError):
    """Raised while one item is read; the reader counts it in its `Damage` and goes on with the next.

    reason: short and without the item's own values, as counts are kept by it. detail: what was expected and what came.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
