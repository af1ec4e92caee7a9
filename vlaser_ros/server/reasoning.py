"""The services that look and answer: ground, plan, ask, and predict without motion."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import BoundedSemaphore

import numpy as np
from std_msgs.msg import Header
from vlaser_msgs.msg import ResultCode
from vlaser_msgs.srv import Ask, Ground, Plan, Predict

from vlaser_core.errors import InputError
from vlaser_ros.faults import Fault
from vlaser_ros.images import colour
from vlaser_ros.messages import grounding_message, plan_step_message
from vlaser_ros.server.execute import MOST_FLOW_STEPS, check_text, predict_chunk
from vlaser_ros.server.views import Views


class Reasoning:
    """Service callbacks. waiting: how many calls may wait for the model at once; more are refused as busy.

    seen: called with (image, header, grounding) after each grounding, to show it.
    """

    def __init__(self, *, engine, views: Views, waiting: int, observation_timeout: float, now: Callable[[], float], seen: Callable) -> None:
        self.engine, self.views, self.now, self.seen = engine, views, now, seen
        self.observation_timeout = observation_timeout
        self._slots = BoundedSemaphore(waiting)

    def ground(self, request: Ground.Request, response: Ground.Response) -> Ground.Response:
        def work() -> None:
            phrase = check_text(request.phrase, "phrase")
            image, header = self._image(request)
            found, response.inference_time = self._call(lambda: self.engine.ground(image, phrase))
            response.grounding = grounding_message(found, header)
            self.seen(image, header, found)

        return self._answer(work, response)

    def plan(self, request: Plan.Request, response: Plan.Response) -> Plan.Response:
        def work() -> None:
            goal = check_text(request.goal, "goal")
            image, header = self._image(request)
            made, response.inference_time = self._call(lambda: self.engine.plan(image, goal, ground=request.ground))
            height, width = image.shape[:2]
            response.header, response.text, response.malformed = header, made.text, list(made.malformed)
            response.steps = [plan_step_message(step, header, width, height) for step in made.steps]

        return self._answer(work, response)

    def ask(self, request: Ask.Request, response: Ask.Response) -> Ask.Response:
        def work() -> None:
            question = check_text(request.question, "question")
            image, header = self._image(request)
            answer, response.inference_time = self._call(lambda: self.engine.ask(image, question))
            response.header, response.answer, response.score = header, answer.text, float(answer.score)

        return self._answer(work, response)

    def predict(self, request: Predict.Request, response: Predict.Response) -> Predict.Response:
        def work() -> None:
            instruction = check_text(request.instruction, "instruction")
            if request.flow_steps > MOST_FLOW_STEPS:
                raise Fault(ResultCode.BAD_GOAL, f"flow_steps is {request.flow_steps}, expected 0 (the model's own) … {MOST_FLOW_STEPS}")
            view = self.views.wait(-np.inf, self.observation_timeout)
            response.observation_age = self.now() - view.stamp
            seed = None if request.seed < 0 else request.seed
            options = {"seed": seed, "steps": request.flow_steps or None, "sequence": 0, "goal_id": "", "executed_steps": 0}
            response.chunk = predict_chunk(self.engine, view, instruction, **options)

        return self._answer(work, response)

    def _image(self, request) -> tuple[np.ndarray, Header]:
        """The request's own image, else the camera's newest. Raises Fault."""
        if not request.image:
            return self.views.newest_image(request.camera)
        try:
            return colour(request.image[0]), request.image[0].header
        except InputError as error:
            raise Fault(ResultCode.BAD_IMAGE, f"image of the request: {error}") from error

    def _call(self, call: Callable):
        """Result and seconds of one text call; the engine itself lets actions go first. Raises Fault."""
        began = time.monotonic()
        try:
            return call(), time.monotonic() - began
        except InputError as error:
            raise Fault(ResultCode.BAD_GOAL, str(error)) from error
        except Exception as error:  # whatever a model raises must end the request, not the node
            raise Fault(ResultCode.MODEL_FAILED, f"the model failed: {type(error).__name__}: {error}") from error

    def _answer(self, work: Callable[[], None], response):
        if not self._slots.acquire(blocking=False):
            response.success, response.error_code, response.error_msg = False, ResultCode.BUSY, "too many calls wait for the model; try again"
            return response
        try:
            work()
            response.success = True
        except Fault as fault:
            response.success, response.error_code, response.error_msg = False, fault.code, str(fault)
        except InputError as error:
            response.success, response.error_code, response.error_msg = False, ResultCode.BAD_MODEL_OUTPUT, str(error)
        finally:
            self._slots.release()
        return response
