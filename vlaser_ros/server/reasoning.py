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
from vlaser_ros.server.inference import Inference
from vlaser_ros.server.interrupt import Interrupted
from vlaser_ros.server.requests import Predictor, check_flow_steps, check_text
from vlaser_ros.server.settings import Settings
from vlaser_ros.server.views import Views


class Reasoning:
    """Service callbacks, and the words a goal asks for. waiting: how many calls may wait for the model at once; more are refused as busy.

    settings: the present ones, asked at each call. refusal: why nothing is answered now, or None.
    seen: told (image, header, question, groundings) of each answer, and its words. meant: told (view, chunk, None, instruction) of each prediction.
    """

    def __init__(
        self,
        *,
        engine,
        inference: Inference,
        predict: Predictor,
        views: Views,
        waiting: int,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        refusal: Callable[[], str | None],
        seen: Callable,
        meant: Callable = lambda *_: None,
    ) -> None:
        self.engine, self.inference, self.predictor, self.views = engine, inference, predict, views
        self.settings, self.now, self.refusal, self.seen, self.meant = settings, now, refusal, seen, meant
        self._slots = BoundedSemaphore(waiting)

    def ground(self, request: Ground.Request, response: Ground.Response) -> Ground.Response:
        def work() -> None:
            phrase = check_text(request.phrase, "phrase")
            image, header = self._image(request)
            found, response.inference_time = self._call(lambda: self.engine.ground(image, phrase))
            response.grounding = grounding_message(found, header)
            self.seen(image, header, phrase, [found])

        return self._answer(work, response)

    def plan(self, request: Plan.Request, response: Plan.Response) -> Plan.Response:
        def work() -> None:
            goal = check_text(request.goal, "goal")
            image, header = self._image(request)
            made, response.inference_time = self._call(lambda: self.engine.plan(image, goal, ground=request.ground))
            height, width = image.shape[:2]
            response.header, response.text, response.malformed = header, made.text, list(made.malformed)
            response.steps = [plan_step_message(step, header, width, height) for step in made.steps]
            self.seen(image, header, goal, [step.grounding for step in made.steps if step.grounding is not None])

        return self._answer(work, response)

    def ask(self, request: Ask.Request, response: Ask.Response) -> Ask.Response:
        def work() -> None:
            question = check_text(request.question, "question")
            image, header = self._image(request)
            answer, response.inference_time = self._call(lambda: self.engine.ask(image, question))
            response.header, response.answer, response.score = header, answer.text, float(answer.score)
            self.seen(image, header, question, [], answer.text)

        return self._answer(work, response)

    def predict(self, request: Predict.Request, response: Predict.Response) -> Predict.Response:
        def work() -> None:
            instruction = check_text(request.instruction, "instruction")
            check_flow_steps(request.flow_steps)
            view = self.views.wait(-np.inf, self.settings().observation_timeout)
            response.observation_age = self.now() - view.stamp
            seed = None if request.seed < 0 else request.seed
            options = {"seed": seed, "steps": request.flow_steps or None, "sequence": 0, "goal_id": "", "executed_steps": 0}
            response.chunk = self.predictor(view, instruction, **options)
            self.meant(view, response.chunk, None, instruction)

        return self._answer(work, response)

    def _image(self, request) -> tuple[np.ndarray, Header]:
        """The request's own image, else the camera's newest. Raises Fault."""
        if not request.image:
            return self.views.newest_image(request.camera, self.settings().observation_timeout)
        try:
            return colour(request.image[0]), request.image[0].header
        except InputError as error:
            raise Fault(ResultCode.BAD_IMAGE, f"image of the request: {error}") from error

    def said(self, image: np.ndarray, question: str, interrupted: Callable[[], bool]) -> str:
        """The answer in words, for a goal. Raises Fault and Interrupted."""
        return self._call(lambda: self.engine.ask(image, question), interrupted)[0].text

    def _call(self, call: Callable, interrupted: Callable[[], bool] = lambda: False):
        """Result and seconds of one text call; the engine itself lets actions go first. Raises Fault and Interrupted."""
        began = time.monotonic()
        try:
            return self.inference.tell(call, self.settings().text_timeout, interrupted), time.monotonic() - began
        except (Fault, Interrupted):
            raise
        except InputError as error:
            raise Fault(ResultCode.BAD_GOAL, str(error)) from error
        except Exception as error:  # whatever a model raises must end the request, not the node
            raise Fault(ResultCode.MODEL_FAILED, f"the model failed: {type(error).__name__}: {error}") from error

    def _answer(self, work: Callable[[], None], response):
        reason = self.refusal()
        if reason:
            return refuse(response, ResultCode.MODEL_NOT_READY, reason)
        if not self._slots.acquire(blocking=False):
            return refuse(response, ResultCode.BUSY, "too many calls wait for the model; try again")
        try:
            work()
            response.success = True
        except Fault as fault:
            refuse(response, fault.code, str(fault))
        except Interrupted:
            refuse(response, ResultCode.MODEL_NOT_READY, "the model was unloaded before it answered")
        except (AttributeError, TypeError, ValueError, InputError) as error:
            refuse(response, ResultCode.BAD_MODEL_OUTPUT, f"the model's answer cannot be told: {type(error).__name__}: {error}")
        finally:
            self._slots.release()
        return response


def refuse(response, code: int, message: str):
    """The response, saying no."""
    response.success, response.error_code, response.error_msg = False, code, message
    return response
