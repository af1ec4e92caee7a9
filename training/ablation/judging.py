"""What came of it: answers to held-out questions in and out of the domain, and episodes in closed loop."""

from __future__ import annotations

from pathlib import Path

from sim_bridge.tabletop.evaluate import evaluate
from training.ablation.settings import Ablation
from training.ablation.store import Store
from vlaser_core.checkpoint.folder import load_checkpoint
from vlaser_core.evaluate.reasoning_score import held_out, score


def judge_reasoning(settings: Ablation, store: Store, initialisation: str, sets: dict[str, Path]) -> dict:
    """The same held-out questions of both sets for every backbone."""
    checkpoint = load_checkpoint(store.backbone(initialisation) / "checkpoint")
    scores = {}
    for domain, folder in sets.items():
        result = score(checkpoint.model, checkpoint.tokenizer, held_out(folder), settings.judging.questions, seed=0).to_json()
        scores[domain] = {key: result[key] for key in ("overall", "mean_of_categories", "categories", "families", "records", "left_out")}
    return scores


def judge_policy(settings: Ablation, policy: Path, executed: int | None = None, flow_steps: int | None = None) -> dict:
    """Episodes on scenes that no step trained on, the same for every policy."""
    judging = settings.judging
    summary = evaluate(
        policy / "checkpoint", judging.episodes, seed=0, renderer=judging.renderer, workers=1, executed_steps=executed, flow_steps=flow_steps, together=8
    )
    return {
        key: summary[key]
        for key in ("success", "success_any", "mean_success", "mean_success_any", "unreachable_chunks", "chunks", "renderer", "executed_steps", "flow_steps")
    } | {"episodes": [[one["task"], one["seed"], one["success"]] for one in summary["rollouts"]]}
