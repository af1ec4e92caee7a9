"""Run one node as a process until it is asked to stop, and stop it without a traceback, whatever it is doing.

Signals are taken before anything slow is imported. The main thread only waits; callbacks run in the executor's
threads. A thread may sit in model inference when the signal comes, and no thread can be interrupted there, so
after the node has said goodbye the process leaves at once instead of joining it.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

_stop = threading.Event()


def guard() -> None:
    """Take SIGINT and SIGTERM: before `run` has a node they end the process at once with code 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave(0))


def leave(code: int) -> None:
    """End the process now; buffered output is written, threads are not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(make: Callable[[], object], *, threads: int = 2) -> None:
    """Spin the node that `make` builds in `threads` threads; returns never.

    The node may have `begin()` (slow start-up, called in its own thread; an exception ends the process with code 1),
    `failed` and `finished` (threading.Events that end it with code 1 and 0) and `goodbye()` (called once while publishing still works).
    """
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from vlaser_core.errors import VlaserError
    from vlaser_ros.executor import PooledExecutor

    code = 0
    try:
        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        node = make()
    except VlaserError as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        leave(1)
    except Exception:
        logging.exception("the node could not be built")
        leave(1)
    # What is made by now stays: a collector that goes through it stops every callback meanwhile.
    gc.collect()
    gc.freeze()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stop.set())
    executor = SingleThreadedExecutor() if threads == 1 else PooledExecutor(threads)
    executor.add_node(node)
    fault = threading.Event()

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass
        except Exception:
            if not _stop.is_set():
                logging.exception("a callback failed")
                fault.set()
                _stop.set()

    def begin() -> None:
        try:
            node.begin()
        except VlaserError as error:
            node.get_logger().fatal(str(error))
            fault.set()
            _stop.set()
        except Exception:
            logging.exception("start-up failed")
            fault.set()
            _stop.set()

    spinning = threading.Thread(target=spin, daemon=True)
    spinning.start()
    if hasattr(node, "begin"):
        threading.Thread(target=begin, daemon=True).start()
    # A bare wait() would keep Python from running its signal handlers on some platforms.
    while not _stop.wait(0.5):
        if getattr(node, "failed", None) is not None and node.failed.is_set():
            fault.set()
            break
        if getattr(node, "finished", None) is not None and node.finished.is_set():
            break
    try:
        if hasattr(node, "goodbye"):
            node.goodbye()
    except Exception:
        logging.exception("the node could not say goodbye")
        code = 1
    # Peers notice a participant that says it leaves at once, and one that vanishes only when its lease ends (20 s).
    farewell = threading.Thread(target=_disconnect, args=(executor, spinning, node), daemon=True)
    farewell.start()
    farewell.join(timeout=2.0)
    leave(1 if fault.is_set() else code)


def _disconnect(executor, spinning: threading.Thread, node) -> None:
    from rclpy.action import ActionServer
    from rclpy.executors import MultiThreadedExecutor

    try:
        # Waiting for the executor's threads would wait for inference; its loop alone has to let go of the node.
        executor.shutdown(timeout_sec=0.5, **({"wait_for_threads": False} if isinstance(executor, MultiThreadedExecutor) else {}))
        spinning.join(timeout=1.0)
        # Neither the node nor its handle is freed while an action server lives, and destroy_node leaves those out.
        for waitable in list(node.waitables):
            if isinstance(waitable, ActionServer):
                waitable.destroy()
        node.destroy_node()
    except Exception:
        # Entities that a thread still in inference holds cannot be destroyed; the lease takes care of those.
        logging.getLogger(__name__).debug("the node could not be taken down in order", exc_info=True)
