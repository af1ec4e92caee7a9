"""How things lie to one another, in the picture, from the robot and from the camera."""

from __future__ import annotations


def _sides(prefix: str, words: dict[str, tuple[str, str]], asked: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The same questions for every side: {side} and {to_side} are its two forms."""
    return {
        f"{prefix}_{key}": tuple(wording.replace("{side}", side).replace("{to_side}", to_side) for wording in asked)
        for key, (side, to_side) in words.items()
    }


SPATIAL: dict[str, tuple[str, ...]] = {
    **_sides(
        "image",
        {
            "left": ("left of", "to the left of"),
            "right": ("right of", "to the right of"),
            "above": ("above", "above"),
            "below": ("below", "below"),
        },
        (
            "In the image, is the {phrase} {side} the {other}?",
            "Is the {phrase} {side} the {other} in the image?",
            "In the picture, is the {phrase} {to_side} the {other}?",
            "Does the {phrase} appear {to_side} the {other} in the picture?",
            "Looking at the picture, is the {phrase} {side} the {other}? Answer yes or no.",
        ),
    ),
    **_sides(
        "robot",
        {"left": ("left of", ""), "right": ("right of", ""), "behind": ("behind", ""), "front": ("in front of", "")},
        (
            "Seen from the robot, is the {phrase} {side} the {other}?",
            "From the robot base, is the {phrase} {side} the {other}?",
            "In the robot frame, is the {phrase} {side} the {other}?",
            "As the robot sees it, is the {phrase} {side} the {other}?",
        ),
    ),
    "nearest": (
        "Which is nearer to the robot, the {phrase} or the {other}?",
        "What is closer to the robot, the {phrase} or the {other}?",
        "Nearer to the robot: the {phrase} or the {other}?",
        "The {phrase} or the {other}: which one is closer to the robot base?",
    ),
    "nearest_camera": (
        "Which is nearer to the camera, the {phrase} or the {other}?",
        "What is closer to the camera, the {phrase} or the {other}?",
        "The {phrase} or the {other}: which one is nearer to the viewer?",
        "Which stands farther forward, towards the viewer: the {phrase} or the {other}?",
    ),
    "closest_to": (
        "Which object is closest to the {phrase}?",
        "What lies nearest to the {phrase}?",
        "Of the other objects, which one is nearest to the {phrase}?",
    ),
    "distance": (
        "How far apart are the middles of the {phrase} and the {other}, in cm?",
        "What is the distance from the {phrase} to the {other} in cm, centre to centre?",
        "How many cm are there between the middle of the {phrase} and the middle of the {other}?",
    ),
    "between": (
        "In the picture, is the {phrase} between the {other} and the {third}, from left to right?",
        "Going from left to right, does the {phrase} come between the {other} and the {third}?",
        "Is the {phrase} between the {other} and the {third} when the picture is read from left to right?",
    ),
    "order": (
        "Name the objects from left to right.",
        "List what you see from left to right.",
        "In which order do the objects stand from left to right?",
    ),
    "order_near": (
        "Name the objects from the nearest to the farthest from the camera.",
        "List the objects by distance from the camera, the nearest first.",
    ),
    "extreme_leftmost": ("Which object is farthest left in the picture?", "What is the leftmost object?"),
    "extreme_rightmost": ("Which object is farthest right in the picture?", "What is the rightmost object?"),
    "extreme_nearest": ("Which object is nearest to the camera?", "What stands closest to the viewer?"),
    "extreme_farthest": ("Which object is farthest from the camera?", "What stands farthest away from the viewer?"),
    "region": (
        "In which part of the picture is the {phrase}: top or bottom, left or right?",
        "Is the {phrase} at the top left, top right, bottom left or bottom right of the picture?",
        "Which quarter of the picture holds the {phrase}: top left, top right, bottom left or bottom right?",
    ),
    "relation_choice": (
        "Where is the {phrase} as seen from the {other} in the picture?\n{options}\nAnswer with the letter.",
        "In the picture the {phrase} is on which side of the {other}?\n{options}\nAnswer with the letter.",
        "Choose where the {phrase} is with respect to the {other} in the picture.\n{options}\nAnswer with the letter.",
    ),
    "taller": (
        "Which is taller, the {phrase} or the {other}?",
        "The {phrase} or the {other}: which one reaches higher above what it stands on?",
        "Which has the greater height, the {phrase} or the {other}?",
    ),
    "on_top": (
        "Is the {phrase} on the {other}?",
        "Does the {phrase} lie on the {other}?",
        "Is the {phrase} resting on the {other}? Answer yes or no.",
    ),
    "reachable": (
        "Can the gripper reach the {phrase} from above without moving the base?",
        "Is the {phrase} within reach of the robot arm?",
        "Could the arm grasp the {phrase} where it is, as far as its reach goes?",
    ),
    "gripper_side": (
        "Which way should the gripper move to get over the {phrase}, seen from the robot: left, right, forward or back?",
        "Seen from the robot, is the {phrase} mainly to the left, right, forward or back of the gripper?",
        "To bring the gripper over the {phrase}, does it go left, right, forward or back, as the robot sees it?",
    ),
    "gripper_distance": (
        "How far is the gripper from the {phrase} in cm, seen from above?",
        "Across the table, how many cm does the gripper have to go to be over the {phrase}?",
        "Seen from above, what is the distance in cm from the gripper to the {phrase}?",
    ),
}
