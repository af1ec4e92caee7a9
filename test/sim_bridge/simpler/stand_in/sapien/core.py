"""What the worker asks of the renderer: that it can be made, and which device it names."""

import sys

__version__ = "0.0.stand_in"


class SapienRenderer:
    def __init__(self, offscreen_only: bool = False) -> None:
        print(" Id                                    name   Present Supported    PciBus    CudaId     RayTracing", file=sys.stderr)
        print("  0               stand-in, no pixels of a GPU         0         1         0 No Device              0", file=sys.stderr)

    @staticmethod
    def set_log_level(level: str) -> None:
        assert level in {"info", "warn"}
