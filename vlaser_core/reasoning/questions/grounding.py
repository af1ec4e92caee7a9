"""Where things are: answers are boxes, points, JSON lists, or the letter of a box."""

from __future__ import annotations

GROUNDING: dict[str, tuple[str, ...]] = {
    "ground_box": (
        "Where is the {phrase}? Answer with a box.",
        "Find the {phrase}. Answer with a box.",
        "Give the box of the {phrase}.",
        "Draw a box around the {phrase}.",
        "Detect the {phrase} and give its box.",
        "What is the bounding box of the {phrase}?",
        "Locate the {phrase} with a box.",
    ),
    "ground_point": (
        "Point to the {phrase}.",
        "Where is the {phrase}? Answer with a point.",
        "Give a point on the {phrase}.",
        "Show a point of the {phrase}.",
        "Can you point at the {phrase}?",
        "Mark the {phrase} with a point.",
        "Locate the {phrase} with one point.",
    ),
    "ground_sentence": (
        "Where is the {phrase}? Answer in a sentence with its box.",
        "Tell me in a sentence where the {phrase} is, with a box.",
        "Describe where the {phrase} is in one sentence that holds its box.",
    ),
    "ground_json": (
        "Detect the {list}. Answer with a JSON list of bbox_2d and label.",
        "Locate the {list}. Output JSON with bbox_2d and label for each one you see.",
        "Find the {list} and report bbox_2d and label as JSON.",
    ),
    "ground_json_all": (
        "Detect every object. Answer with a JSON list of bbox_2d and label, from left to right.",
        "Locate all objects from left to right. Output JSON with bbox_2d and label.",
        "List all objects from left to right as JSON with bbox_2d and label.",
    ),
    "ground_kind": (
        "Point to every {kind}, from left to right.",
        "Give one point on each {kind}, left to right.",
        "Mark all the {kinds} with points, from left to right.",
        "Where are the {kinds}? Answer with points, left to right.",
    ),
    "ground_colour": (
        "Draw a box around every {colour} object, from left to right.",
        "Find all {colour} things. Answer with boxes, left to right.",
        "Give the boxes of the {colour} objects from left to right.",
    ),
    "ground_leftmost": (
        "Point to the leftmost object.",
        "Which object is farthest left? Answer with a point.",
        "Point to the object at the far left of the picture.",
    ),
    "ground_rightmost": (
        "Point to the rightmost object.",
        "Which object is farthest right? Answer with a point.",
        "Point to the object at the far right of the picture.",
    ),
    "ground_highest": (
        "Point to the object that is highest in the picture.",
        "Which object is nearest the top of the picture? Answer with a point.",
    ),
    "ground_lowest": (
        "Point to the object that is lowest in the picture.",
        "Which object is nearest the bottom of the picture? Answer with a point.",
    ),
    "ground_choice": (
        "Which box holds the {phrase}?\n{options}\nAnswer with the letter.",
        "Choose the box around the {phrase}.\n{options}\nAnswer with the letter.",
        "The {phrase} is in one of these boxes; which?\n{options}\nAnswer with the letter.",
    ),
    "gripper_point": (
        "Point to the gripper.",
        "Where is the gripper? Answer with a point.",
        "Where are the fingers? Answer with a point.",
        "Point between the fingertips of the robot.",
        "Mark the tip of the gripper.",
    ),
    "affordance": (
        "Where should the gripper close to grasp the {phrase}? Give the point and the angle in degrees.",
        "How should the gripper grasp the {phrase}? Give a point and an angle in degrees.",
        "Give the grasp point and angle of the {phrase}.",
        "At which point and angle should the fingers take the {phrase}?",
    ),
    "grasp_point": (
        "Where would you take hold of the {phrase}? Answer with a point.",
        "Point to where the {phrase} can be grasped.",
        "Which part of the {phrase} should be gripped? Answer with a point.",
        "To pick up the {phrase}, where do you hold it? Point to it.",
    ),
    "placement": (
        "To {goal}, where should it be put down? Answer with a point.",
        "Where should the gripper let go to {goal}? Answer with a point.",
        "Point to the place where the object goes when you {goal}.",
        "You are asked to {goal}. Where does the object go? Answer with a point.",
    ),
    "free_space": (
        "Point to a free spot on the {surface}.",
        "Where on the {surface} is there room for something more? Answer with a point.",
        "Find an empty place on the {surface} and point to it.",
        "Point to a part of the {surface} that nothing covers.",
    ),
    "free_left": (
        "Point to a free spot on the {surface} left of the {phrase} in the picture.",
        "Where on the {surface}, to the left of the {phrase} in the picture, is there room? Answer with a point.",
    ),
    "free_right": (
        "Point to a free spot on the {surface} right of the {phrase} in the picture.",
        "Where on the {surface}, to the right of the {phrase} in the picture, is there room? Answer with a point.",
    ),
    "free_between": (
        "Point to a free spot on the {surface} between the {phrase} and the {other}.",
        "Where on the {surface} could something be put between the {phrase} and the {other}? Answer with a point.",
    ),
}
