"""The twelve tasks that Vlaser's RoboTwin policies are judged by, and what was published for them."""

from __future__ import annotations

# Task → steps an episode may take, as RoboTwin's _eval_step_limit.yml says; the checkout's own file is what counts.
TASKS = {
    "beat_block_hammer": 400,
    "click_bell": 400,
    "handover_mic": 600,
    "move_can_pot": 400,
    "move_pillbottle_pad": 400,
    "move_playingcard_away": 400,
    "pick_diverse_bottles": 400,
    "place_mouse_pad": 400,
    "place_container_plate": 400,
    "place_phone_stand": 400,
    "place_burger_fries": 500,
    "shake_bottle": 700,
}
EPISODES = 50  # a task

# Mean success over the twelve tasks, from the paper: the L1-regression head, another action head than ours.
PUBLISHED = (
    {"name": "Vlaser-2B, L1 head", "mean_success": 0.675, "published": True},
    {"name": "InternVL3-2B, L1 head", "mean_success": 0.558, "published": True},
)
