"""What to do, in which order, and what to do when it went wrong."""

from __future__ import annotations

PLANNING: dict[str, tuple[str, ...]] = {
    "plan": (
        "How do you {goal}? List the steps.",
        "Plan the steps to {goal}.",
        "What steps are left to {goal}?",
        "List the steps to {goal}.",
        "Give a numbered plan to {goal}.",
        "Which steps remain to {goal}? Number them.",
    ),
    "next_step": (
        "What is the next step to {goal}? Give its point where there is one.",
        "Name the next step to {goal}, with the point it aims at.",
        "Next step to {goal}, with a point?",
    ),
    "steps_left": (
        "How many steps are left to {goal}?",
        "Count the steps that remain to {goal}.",
        "Of reach, grasp, lift, move over, lower and release, how many are left to {goal}?",
    ),
    "step_choice": (
        "What comes next to {goal}?\n{options}\nAnswer with the letter.",
        "Choose the next step to {goal}.\n{options}\nAnswer with the letter.",
        "Which of these should be done next to {goal}?\n{options}\nAnswer with the letter.",
    ),
    "step_done": (
        "To {goal}, has the step '{step}' been done yet?",
        "Is the step '{step}' already behind us in the task: {goal}?",
    ),
    "task_object": (
        "Which object has to be picked up to {goal}? Answer with its box.",
        "To {goal}, what should be taken hold of? Draw a box around it.",
        "Give the box of the object to pick up to {goal}.",
    ),
    "task_target": (
        "Where does the object end up when you {goal}? Answer with the box of that place.",
        "To {goal}, on or in what is the object put? Draw a box around it.",
        "Give the box of the place where it goes to {goal}.",
    ),
    "feasible": (
        "With what you see here, is it possible to {goal}?",
        "Are all the things needed to {goal} in view?",
        "Could one {goal} in this scene? Answer yes or no.",
    ),
    "obstacle": (
        "What, if anything, has to be taken off before the {phrase} can be picked up?",
        "Is anything lying on the {phrase} that must be moved first? Name it or say nothing.",
        "Which object, if any, must be removed first to pick up the {phrase}?",
    ),
    "tidy": (
        "Put the {list} {prep} the {other}, one by one from left to right. List the steps.",
        "Plan how to put the {list} {prep} the {other}, starting from the left.",
        "List the steps to gather the {list} {prep} the {other}, from left to right.",
    ),
    "recovery": (
        "The robot has tried to {goal}; look at the result. What should it do now? List the steps.",
        "After this attempt to {goal}, what has to be done? List the steps.",
        "See how the attempt to {goal} came out, and list the steps that remain or mend it.",
        "Plan how to go on after this attempt to {goal}.",
    ),
}
