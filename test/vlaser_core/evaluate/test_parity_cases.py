"""Parity takes any case of the format; each is made here by a second, plain writing of the model, with sizes of its own."""

from __future__ import annotations

import json

import pytest
from safetensors.torch import load_file, save_file

from vlaser_core.errors import InputError
from vlaser_core.evaluate.parity import core_groups, parity

POLICIES = {
    "two prompts of unequal length": {},
    "three prompts, one without padding": {"lengths": (70, 96, 83)},
    "other horizon, steps and period": {"lengths": (75,), "horizon": 7, "steps": 3, "period": 100.0},
    "one step, one action, eight state values": {"horizon": 1, "steps": 1, "proprio": 8, "expert": 20},
    "448 pixels": {"lengths": (262, 270), "longest": 272, "side": 448, "table": 448, "steps": 2},
    "a position table for larger pictures": {"table": 448, "steps": 2},
    "another rotary base": {"base": 1e4, "steps": 2},
}
CHATS = {
    "two pictures of unequal size": {},
    "a sample without a picture": {"tiles": (3, 0, 1), "words": (4, 9, 6)},
    "words first": {"tiles": (0, 2), "words": (8, 5), "new": 5},
}


def run(folder, group: str):
    report = parity(folder, {group: core_groups()[group]})
    assert report.skipped == (), "every tensor that a case lists is compared"
    return report


def failures(report) -> list[str]:
    return [f"{check.group}: {check.name}: {check.error:.1e}" for check in report.checks if not check.ok]


@pytest.mark.parametrize("sizes", POLICIES.values(), ids=POLICIES)
def test_a_policy_case_of_any_size_is_followed(tmp_path, make_policy_case, sizes):
    make_policy_case(tmp_path, "some_case", **sizes)
    report = run(tmp_path, "policy")
    assert failures(report) == []
    steps, layers = sizes.get("steps", 10), 3
    assert len(report.checks) > 6 * steps + 5 * layers + 60
    assert {group.removeprefix("some_case ") for group in report.groups()} == {
        "weights",
        "prefix",
        "attention",
        "training",
        "gradients",
        "inference",
    }


@pytest.mark.parametrize("sizes", CHATS.values(), ids=CHATS)
def test_a_chat_case_of_any_size_is_followed(tmp_path, make_chat_case, sizes):
    make_chat_case(tmp_path, "some_chat", **sizes)
    report = run(tmp_path, "chat")
    assert failures(report) == [] and len(report.checks) == 7


def test_all_cases_of_a_directory_are_compared_and_the_wrong_one_is_named(tmp_path, make_policy_case, make_chat_case):
    for seed in (1, 2):
        make_policy_case(tmp_path, f"case{seed}", seed=seed, steps=2)
    make_chat_case(tmp_path, "talk")
    path = tmp_path / "case2.outputs.safetensors"
    outputs = load_file(path)
    outputs["infer.step1.velocity"][1, 2, 3] += 3e-5
    save_file(outputs, path)
    report = parity(tmp_path)
    assert [entry.split(": ")[:2] for entry in failures(report)] == [["case2 inference", "step 1, velocity"]]
    assert {"case1 inference", "talk"} < report.groups().keys()
    assert {skipped.group for skipped in report.skipped} == {"numbers", "text"}


def test_a_tensor_that_nothing_is_compared_with_is_told(tmp_path, make_policy_case):
    make_policy_case(tmp_path, "case", steps=1)
    path = tmp_path / "case.outputs.safetensors"
    outputs = load_file(path)
    save_file({**outputs, "infer.surprise": outputs["infer.x0"].clone()}, path)
    report = parity(tmp_path, {"policy": core_groups()["policy"]})
    assert report.ok and "infer.surprise" in report.skipped[0].reason


def test_an_incomplete_case_is_refused_by_name_and_never_passes_as_skipped(tmp_path, make_policy_case):
    make_policy_case(tmp_path, "case", steps=1)
    path = tmp_path / "case.outputs.safetensors"
    outputs = load_file(path)
    save_file({name: tensor for name, tensor in outputs.items() if name != "train.velocity"}, path)
    with pytest.raises(InputError, match=r"case\.outputs\.safetensors lacks train\.velocity"):
        parity(tmp_path)
    facts = json.loads((tmp_path / "case.json").read_text(encoding="utf-8"))
    listed = {**facts, "outputs": {"train.velocity": [2, 4, 7]}}
    (tmp_path / "case.json").write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(InputError, match=r"lacks train\.velocity, which case\.json lists"):
        parity(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"cannot read .*case\.outputs\.safetensors"):
        parity(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"case\.json lacks case\.outputs\.safetensors"):
        parity(tmp_path)


def test_the_command_reads_any_directory_of_cases(tmp_path, make_policy_case, capsys):
    from vlaser_ros.cli import run as command

    make_policy_case(tmp_path, "bridge", steps=2)
    assert command(["parity", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["ok"] and told["groups"]["bridge inference"]["largest"] < 1e-5
