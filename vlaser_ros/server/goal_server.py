"""Goals of vlaser/execute, from the action server's handle to its terminal state."""

from __future__ import annotations

import time
import traceback

from std_msgs.msg import String
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ResultCode

from vlaser_ros.faults import Fault
from vlaser_ros.listeners import is_answered
from vlaser_ros.server.execute import PolicyRun, tell
from vlaser_ros.server.interrupt import CANCELED, Interrupt, Interrupted, Reason

CANCEL_PATIENCE = 1.0  # s between a cancel's announcement and the handle's change of state, which takes microseconds


class GoalServer:
    """Execute callbacks of a server. A goal that cannot run is accepted and aborted: a rejected ROS goal cannot carry its reason."""

    def __init__(self, server) -> None:
        self._server = server

    def execute(self, handle) -> Execute.Result:
        """Run one goal to its end; blocks."""
        server, goal_id = self._server, bytes(handle.goal_id.uuid).hex()
        settings = server.settings
        try:
            with server.goals.turn(goal_id, settings.goal_policy, server.refusal) as interrupt:
                server.record.goals.tick()
                server.get_logger().info(f"goal {goal_id}: {handle.request.instruction.strip()[:200]!r}")
                server.instructions.publish(String(data=handle.request.instruction.strip()))
                result = self._attempt(handle, goal_id, interrupt, settings)
                # Before the next goal has its turn: whoever watches the states never sees two at work.
                self._conclude(handle, goal_id, result)
                if result.error_code:
                    server.record.last_error = f"{result.error_code}: {result.error_msg}"
        except Fault as fault:
            result = tell(Execute.Result(), Reason(Execute.Result.FAILED, fault.code, str(fault)))
            self._conclude(handle, goal_id, result)
        except Interrupted:
            result = tell(Execute.Result(), server.goals.why(goal_id))
            self._conclude(handle, goal_id, result)
        finally:
            server.goals.forget(goal_id)
        return result

    def _attempt(self, handle, goal_id: str, interrupt: Interrupt, settings) -> Execute.Result:
        """The goal's result, also where the server itself errs: rclpy would abort the goal with a result that says nothing went wrong."""
        server = self._server
        try:
            return self._run(handle, goal_id, interrupt, settings)
        except (Fault, Interrupted):
            raise
        except Exception as error:
            server.get_logger().error(f"goal {goal_id} failed:\n{traceback.format_exc()}")
            reason = Reason(Execute.Result.FAILED, ResultCode.MODEL_FAILED, f"the server failed: {type(error).__name__}: {error}")
        try:
            server.outlet.hold(server.loaded.engine.embodiment, server.clock.now(), goal_id)
        except Exception:  # then the arm is held where its last chunk ends
            server.get_logger().error(f"no hold could be asked for:\n{traceback.format_exc()}")
        return tell(Execute.Result(), reason)

    def _run(self, handle, goal_id: str, interrupt: Interrupt, settings) -> Execute.Result:
        server, loaded = self._server, self._server.loaded
        robot = loaded.engine.embodiment

        def publish(message: ActionChunk) -> None:
            server.outlet.send(message, interrupt)
            server.record.inference_s = message.inference_time
            server.record.chunks.tick()

        def feedback(message: Execute.Feedback) -> None:
            server.record.rejections += not message.verdict.accepted
            handle.publish_feedback(message)

        run = PolicyRun(
            embodiment=robot,
            predict=loaded.predict,
            ask=loaded.reasoning.said,
            views=loaded.views,
            verdicts=server.verdicts,
            settings=settings,
            now=server.clock.now,
            next_sequence=server.outlet.number,
            listened=self._listened,
            publish=publish,
            hold=lambda goal: server.outlet.hold(robot, server.clock.now(), goal),
            feedback=feedback,
            seen=lambda *what: server.annotator.decided(robot, *what),
            why=lambda: interrupt.reason,
            leaving=server.leaving.is_set,
            elapsed=server.clock.elapsed,
            no_time=server.clock.missing,
        )
        return run.run(handle.request, goal_id)

    def _listened(self) -> bool:
        """Whether somebody takes chunks and gives verdicts."""
        return is_answered(self._server, self._server.chunks, "vlaser/chunk_verdict")

    def _conclude(self, handle, goal_id: str, result: Execute.Result) -> None:
        server = self._server
        if result.error_code == ResultCode.NONE:
            handle.succeed()
        elif result.error_code == CANCELED.code and self._canceling(handle):
            handle.canceled()
        else:
            handle.abort()
        words = f"{result.error_code}: {result.error_msg}" if result.error_code else "done" if result.outcome == Execute.Result.DONE else "max_chunks reached"
        line = f"goal {goal_id} ended after {result.chunks_accepted} of {result.chunks_sent} chunks, {result.duration:.1f} s: {words}"
        server.get_logger().info(line) if result.error_code in (ResultCode.NONE, ResultCode.CANCELED) else server.get_logger().warning(line)

    def _canceling(self, handle) -> bool:
        """Whether the handle has come to know of its cancelling, which our own flag is ahead of."""
        deadline = time.monotonic() + CANCEL_PATIENCE
        while not handle.is_cancel_requested and time.monotonic() < deadline:
            time.sleep(0.001)
        return handle.is_cancel_requested
