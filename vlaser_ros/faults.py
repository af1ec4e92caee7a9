"""A fault with the code a client reads. Codes are the constants of vlaser_msgs/ResultCode."""

from __future__ import annotations

from vlaser_core.errors import VlaserError


class Fault(VlaserError):
    """Something a request failed for. code: a ResultCode constant; the message is for a person."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = int(code)
