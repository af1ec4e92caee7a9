"""What is there and what is going on: answers are a word, a number, yes or no, a letter or a short list."""

from __future__ import annotations

QA: dict[str, tuple[str, ...]] = {
    "presence": (
        "Is there {a_phrase}?",
        "Do you see {a_phrase}?",
        "Is {a_phrase} in the image?",
        "Can you see {a_phrase}? Answer yes or no.",
        "Does the picture show {a_phrase}?",
    ),
    "presence_located": (
        "Is there {a_phrase}? If so, point to it.",
        "Do you see {a_phrase}? Answer yes with a point, or no.",
        "Look for {a_phrase}. Say no, or yes with a point.",
    ),
    "colour": (
        "What colour is the {phrase}?",
        "Name the colour of the {phrase}.",
        "Which colour does the {phrase} have?",
        "The {phrase} is of which colour?",
    ),
    "colour_at": (
        "What colour is the object at {point}?",
        "Name the colour of the object at {point}.",
        "Which colour is at {point}?",
    ),
    "colour_choice": (
        "What colour is the {phrase}?\n{options}\nAnswer with the letter.",
        "Which colour does the {phrase} have?\n{options}\nAnswer with the letter.",
        "Choose the colour of the {phrase}.\n{options}\nAnswer with the letter.",
    ),
    "is_colour": (
        "Is the {phrase} {colour}?",
        "Is the colour of the {phrase} {colour}? Answer yes or no.",
        "Would you call the {phrase} {colour}?",
    ),
    "name_at": ("What is at {point}?", "Name the object at {point}.", "Which object is at {point}?", "What do you see at {point}?"),
    "name_in": (
        "What is in the box {box}?",
        "Name the object in {box}.",
        "Which object does the box {box} hold?",
        "The box {box} is drawn around what?",
    ),
    "name_choice": (
        "What is in the box {box}?\n{options}\nAnswer with the letter.",
        "Which of these is in {box}?\n{options}\nAnswer with the letter.",
        "Choose what the box {box} holds.\n{options}\nAnswer with the letter.",
    ),
    "objects": (
        "What objects are there?",
        "List the objects.",
        "Which objects do you see?",
        "Name everything that lies here.",
        "What things are on view?",
    ),
    "count": (
        "How many objects are there?",
        "Count the objects.",
        "How many things do you see, not counting the {surface}?",
        "What is the number of objects in the picture?",
    ),
    "count_kind": (
        "How many {kinds} are there?",
        "Count the {kinds}.",
        "How many {kinds} do you see?",
        "What is the number of {kinds} in the picture?",
    ),
    "count_colour": ("How many {colour} objects are there?", "Count the {colour} objects.", "How many of the objects are {colour}?"),
    "occluded": (
        "Is any part of the {phrase} hidden behind something?",
        "Is the {phrase} partly covered by something in front of it?",
        "Does something hide a part of the {phrase}? Answer yes or no.",
    ),
    "rests_on": (
        "What is the {phrase} resting on?",
        "On what does the {phrase} lie?",
        "What is under the {phrase}?",
        "What does the {phrase} stand on?",
    ),
    "gripper_state": (
        "What is the state of the gripper?",
        "Is the gripper open, closed or holding something?",
        "Is the gripper open or closed, or does it hold something?",
        "Are the fingers open, closed, or around something?",
    ),
    "gripper_height": (
        "How high is the gripper in mm?",
        "What is the height of the gripper in mm?",
        "How many mm is the gripper above the table?",
    ),
    "holding": (
        "Is the robot holding the {phrase}?",
        "Is the {phrase} in the gripper?",
        "Has the gripper got hold of the {phrase}?",
        "Do the fingers hold the {phrase}? Answer yes or no.",
    ),
    "phase": (
        "What phase is this task in: {goal}?",
        "Which phase of the task is this: {goal}?",
        "The robot is told to {goal}. Which phase is it in: reach, descend, grasp, lift, carry, lower, release, retreat or done?",
        "How far has the robot come with the task: {goal}? Name the phase.",
    ),
    "done": (
        "Is the task done: {goal}?",
        "Did the robot {goal}?",
        "Is this task finished: {goal}?",
        "Look at the result of the task: {goal}. Is it done?",
    ),
    "outcome_grasp": (
        "The robot has just closed its fingers to grasp the {phrase}. Did that work?",
        "The gripper tried to pick up the {phrase}. Has it got it?",
        "Was the attempt to grasp the {phrase} a success?",
    ),
    "outcome_carry": (
        "The robot was carrying the {phrase}. Does it still hold it?",
        "On the way with the {phrase}: is it still in the gripper?",
        "Is the {phrase} that the robot was carrying still in its fingers?",
    ),
    "outcome_release": (
        "The robot has just let go of the {phrase} to {goal}. Did that work?",
        "The gripper opened to {goal}. Is the {phrase} where it should be?",
        "Was it a success to {goal}, now that the {phrase} is released?",
    ),
    "fault": (
        "The robot has tried to {goal}. What went wrong, if anything?",
        "Did anything fail while the robot tried to {goal}? Say what, or nothing.",
        "What is the fault in this attempt to {goal}, if there is one?",
    ),
    "next_action": (
        "What is the next action to {goal}?",
        "What should the robot do next to {goal}?",
        "To {goal}, what comes next?",
        "Which action comes next to {goal}?",
    ),
}
