"""Layouts into each other and back, bit by bit; what is wrong is refused by file and key, and leaves nothing behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlaser_core.checkpoint.detect import open_checkpoint, open_source
from vlaser_core.checkpoint.export import export_chat
from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint
from vlaser_core.checkpoint.inventory import inventory
from vlaser_core.checkpoint.source import random_model
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize, vlaser_2b
from vlaser_core.processing.normalization import save_statistics
from vlaser_core.processing.tokenizer import INTERNVL3_IDS, check_ids, load_tokenizer


def stored(folder) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


@pytest.mark.parametrize("shard_bytes", [4_000_000_000, 20_000])
def test_chat_to_ours_and_back_is_bit_equal(chat_folder, chat_state, tmp_path, shard_bytes):
    save_checkpoint(open_checkpoint(chat_folder), tmp_path / "ours")
    assert not (tmp_path / "ours" / "embodiment.yaml").exists()
    done = export_chat(tmp_path / "ours", tmp_path / "again", shard_bytes=shard_bytes)
    assert (len(done.files) > 1) == (shard_bytes < 1_000_000) and done.left_out == 0
    again = stored(tmp_path / "again")
    assert again.keys() == chat_state.keys() and done.tensors == len(again)
    for name, tensor in chat_state.items():
        assert again[name].dtype == tensor.dtype and torch.equal(again[name], tensor), name
    first, second = open_source(chat_folder).config, open_source(tmp_path / "again").config
    assert (first.vision, first.text, first.max_tiles) == (second.vision, second.text, second.max_tiles)
    assert load_tokenizer(tmp_path / "again").get_vocab() == load_tokenizer(chat_folder).get_vocab()


def test_a_policys_backbone_is_exported_and_its_expert_is_told_to_stay(upstream, tokenizer_folder, statistics, tmp_path):
    torch.save({"model": upstream}, tmp_path / "policy.pt")
    done = export_chat(tmp_path / "policy.pt", tmp_path / "chat", tokenizer=tokenizer_folder)
    expert = [name for name in upstream if name.startswith(("joint_model.mixtures.action.", "action_", "proprio_encoder."))]
    assert done.left_out == len(expert)
    exported = stored(tmp_path / "chat")
    assert torch.equal(
        exported["vision_model.encoder.layers.2.attn.qkv.weight"], upstream["vision_tower.vision_model.encoder.layers.2.attn.qkv.weight"]
    )
    assert torch.equal(exported["language_model.model.norm.weight"], upstream["joint_model.mixtures.vlm.norm.weight"])
    assert open_checkpoint(tmp_path / "chat").model.config.text.head_dim == 128


def test_a_failed_conversion_or_export_leaves_nothing(chat_folder, tmp_path, monkeypatch):
    before = set(tmp_path.iterdir())
    checkpoint = open_checkpoint(chat_folder)

    def full(*_arguments, **_options):
        raise OSError("no space left")

    monkeypatch.setattr(type(checkpoint.tokenizer), "save_pretrained", full)
    for write in (lambda: save_checkpoint(checkpoint, tmp_path / "ours"), lambda: export_chat(chat_folder, tmp_path / "chat")):
        with pytest.raises(CheckpointError, match="cannot write .*no space left"):
            write()
        assert set(tmp_path.iterdir()) == before


def test_an_existing_folder_is_not_exported_over(chat_folder, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(CheckpointError, match="there exists"):
        export_chat(chat_folder, tmp_path / "there")
    export_chat(chat_folder, tmp_path / "there", overwrite=True)
    assert open_source(tmp_path / "there").layout == "internvl_chat"


def refusal(arguments: list[str], folder, capsys) -> str:
    """The one line of a command that must refuse, and leave no file behind in `folder`."""
    from vlaser_ros.cli import run

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.strip().splitlines()) == 1, told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return told.err


def damage(folder, kind: str) -> None:
    second = folder / "model-00002-of-00002.safetensors"
    weights = load_file(second)
    name = "vision_model.encoder.layers.0.attn.proj.bias"
    assert name in weights
    if kind == "truncated":
        second.write_bytes(second.read_bytes()[:-7])
    elif kind == "absent":
        second.unlink()
    elif kind == "without a tensor":
        save_file({key: value for key, value in weights.items() if key != name}, second)
    elif kind == "misshapen":
        save_file(weights | {name: torch.zeros(3, 5)}, second)
    elif kind == "pickle":
        for file in (*folder.glob("*.safetensors"), folder / "model.safetensors.index.json"):
            file.unlink()
        torch.save({name: torch.zeros(2), "hook": print}, folder / "pytorch_model.bin")
    elif kind == "index elsewhere":
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {name: "../secret.safetensors"}}), encoding="utf-8")
    elif kind == "twice":
        (folder / "model.safetensors.index.json").unlink()
        save_file({name: weights[name]}, folder / "old.safetensors")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", r"model-00002-of-00002\.safetensors \(truncated"),
        ("absent", r"lacks 1 of the 2 weight files.*model-00002-of-00002"),
        ("without a tensor", r"model-00002-of-00002\.safetensors lacks vision_model\.encoder\.layers\.0\.attn\.proj\.bias"),
        (
            "misshapen",
            r"model-00002-of-00002\.safetensors: vision_model\.encoder\.layers\.0\.attn\.proj\.bias has shape \(3, 5\), the model needs \(16,\)",
        ),
        ("pickle", r"pytorch_model\.bin: it holds more than tensors \(it asks for print\)"),
        ("index elsewhere", r"shards are file names in the same folder"),
        ("twice", r"is in .*model-00002-of-00002\.safetensors and in .*old\.safetensors"),
    ],
)
def test_a_damaged_chat_folder_is_refused_by_file_and_key_and_nothing_is_written(chat_folder, tmp_path, capsys, kind, message):
    damage(chat_folder, kind)
    assert re.search(message, refusal(["convert", str(chat_folder), str(tmp_path / "ours")], tmp_path, capsys))


def test_statistics_of_another_robot_are_refused(upstream, tokenizer_folder, statistics, tmp_path):
    from dataclasses import replace

    torch.save({"model": upstream}, tmp_path / "policy.pt")
    longer = replace(
        statistics.proprio, **{field: [0.0, *getattr(statistics.proprio, field)] for field in ("mean", "std", "max", "min", "p99", "p01")}
    )
    arguments = {"embodiment": load_embodiment("widowx"), "tokenizer": tokenizer_folder, "vision_heads": 2}
    with pytest.raises(CheckpointError, match="proprio statistics have 8 values, embodiment 'widowx' has 7"):
        open_checkpoint(tmp_path / "policy.pt", statistics=replace(statistics, proprio=longer), **arguments)
    with pytest.raises(CheckpointError, match="is a policy: name the robot"):
        open_checkpoint(tmp_path / "policy.pt", tokenizer=tokenizer_folder)
    with pytest.raises(CheckpointError, match="horizon is 8, embodiment 'widowx' needs 4"):
        open_checkpoint(tmp_path / "policy.pt", statistics=statistics, horizon=8, **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--statistics", "eight.json"], r"eight\.json: proprio statistics have 8 values, embodiment 'widowx' has 7"),
        (["--statistics", "closed.json"], r"closed\.json: gripper action 6 spans -1\.00…1\.00, expected openness"),
        (["--statistics", "cut.json"], r"cannot read statistics .*cut\.json"),
        (["--statistics", "absent.json"], r"cannot read statistics .*absent\.json"),
        (["--embodiment", "aloha"], r"action statistics have 7 values, embodiment 'aloha' has 14"),
        (["--embodiment", "toaster"], r"unknown embodiment 'toaster'; known: aloha"),
        (["--tokenizer", "."], r"has no tokenizer"),
        (["--vision-heads", "3"], r"16 wide cannot be shared evenly by 3 heads"),
        (["--vision-heads", "0"], r"heads of vision must be above 0, got 0"),
        (["--flow-steps", "0"], r"flow_steps, max_prompt_tokens and time_max_period are at least 1, got 0"),
        (["--time-max-period", "0"], r"are at least 1, got 10, 384 and 0\.0"),
        (["--expert-width", "16", "--expert-mlp", "20"], r"sizes of a new expert: say --new-expert"),
        (["--expert-width", "16"], r"give both --expert-width and --expert-mlp"),
        (["--new-expert"], r"has an action expert already"),
    ],
)
def test_a_policy_for_another_robot_or_with_impossible_constants_is_refused_in_one_line(
    upstream, tokenizer_folder, statistics, tmp_path, monkeypatch, capsys, changes, message
):
    torch.save({"model": upstream}, tmp_path / "policy.pt")
    save_statistics(statistics, tmp_path / "statistics.json")
    content = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    eight = {field: [0.0, *values] for field, values in content["proprio"].items()}
    (tmp_path / "eight.json").write_text(json.dumps({**content, "proprio": eight}), encoding="utf-8")
    closed = {field: [*values[:6], {"p01": -1.0}.get(field, 1.0)] for field, values in content["action"].items()}
    (tmp_path / "closed.json").write_text(json.dumps({**content, "action": closed}), encoding="utf-8")
    (tmp_path / "cut.json").write_text(json.dumps(content)[:-9], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    options = {"--embodiment": "widowx", "--statistics": "statistics.json", "--tokenizer": str(tokenizer_folder), "--vision-heads": "2"}
    options |= dict(zip(changes[::2], changes[1::2], strict=False))
    arguments = ["convert", "policy.pt", "ours", *(part for option in options.items() for part in option), *changes[len(changes) // 2 * 2 :]]
    assert re.search(message, refusal(arguments, tmp_path, capsys))


def test_a_tokenizer_that_is_absent_is_asked_for(upstream, chat_folder, tmp_path, capsys):
    torch.save({"model": upstream}, tmp_path / "policy.pt")
    (chat_folder / "tokenizer.json").unlink()
    for source in (tmp_path / "policy.pt", chat_folder):
        told = refusal(["export", str(source), str(tmp_path / "chat")], tmp_path, capsys)
        assert f"{source if source.is_dir() else tmp_path} has no tokenizer" in told and "--tokenizer" in told


def test_an_export_onto_its_own_source_is_refused(chat_folder, tmp_path, capsys):
    for command in ("export", "convert"):
        assert "is the source" in refusal([command, str(chat_folder), str(chat_folder), "--overwrite"], tmp_path, capsys)


def test_a_tokenizer_with_other_special_ids_is_refused(chat_folder, tokenizer_folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"<IMG_CONTEXT> is 5, expected 151667"):
        check_ids(load_tokenizer(tokenizer_folder), INTERNVL3_IDS, "here")
    save_checkpoint(open_checkpoint(chat_folder), tmp_path / "ours")
    config = json.loads((tmp_path / "ours" / "config.json").read_text(encoding="utf-8"))
    config["token_ids"]["<img>"] += 1
    (tmp_path / "ours" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="<img> is"):
        load_checkpoint(tmp_path / "ours")


def test_a_robot_for_a_model_that_only_reasons_is_refused(chat_folder, statistics):
    robot = load_embodiment("widowx")
    with pytest.raises(CheckpointError, match="only reasons"):
        open_checkpoint(chat_folder, embodiment=robot, statistics=statistics)
    with pytest.raises(CheckpointError, match="needs an embodiment"):
        open_checkpoint(chat_folder, new_expert=True, expert=ExpertSize(16, 20))
    with pytest.raises(CheckpointError, match="so give its sizes"):
        open_checkpoint(chat_folder, new_expert=True, embodiment=robot, statistics=statistics)
    with pytest.raises(CheckpointError, match="would have no effect"):
        open_checkpoint(chat_folder, time_max_period=100.0)


@pytest.mark.parametrize(("name", "message"), [("projector.pth", "RoboTwin"), ("notes.txt", "has no config.json")])
def test_folders_of_other_things_are_told_apart(tmp_path, name, message):
    (tmp_path / name).write_text("x")
    with pytest.raises(CheckpointError, match=message):
        open_source(tmp_path)


def test_an_inventory_counts_every_parameter_and_names_what_does_not_fit(chat_folder, chat_state):
    facts = inventory(open_source(chat_folder))
    assert facts["fault"] is None and not facts["missing"] and not facts["left_over"]
    assert facts["parameters"]["total"] == sum(tensor.numel() for tensor in chat_state.values())
    assert set(facts["parts"]) == {"vision tower", "projector", "token embeddings", "language model", "language head"}
    weights = load_file(chat_folder / "model-00002-of-00002.safetensors") | {"vision_model.extra": torch.zeros(2)}
    del weights["vision_model.encoder.layers.0.attn.proj.bias"]
    save_file(weights, chat_folder / "model-00002-of-00002.safetensors")
    (chat_folder / "model.safetensors.index.json").unlink()
    facts = inventory(open_source(chat_folder))
    assert facts["left_over"] == ["vision_model.extra"]
    assert facts["missing"] == ["backbone.model.vision_tower.encoder.layer.0.attention.projection_layer.bias"]
    assert "1 tensors missing" in facts["fault"]


def test_a_full_size_layout_takes_no_memory_to_describe():
    from vlaser_core.checkpoint.source import expected_shapes, skeleton

    shapes = expected_shapes(skeleton(vlaser_2b(), 0))
    count = {
        part: sum(torch.Size(shape).numel() for name, shape in shapes.items() if name.startswith(part)) for part in ("backbone.", "expert.")
    }
    assert count["expert."] == pytest.approx(655.2e6, rel=1e-3)  # the published expert's size
    assert count["backbone."] == pytest.approx((304.0 + 8.66 + 1310 + 2 * 233.4) * 1e6, rel=2e-3)


def test_random_weights_are_drawn_in_their_type(tiny_config):
    model = random_model(tiny_config, 5, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.expert.rotary_emb.inv_freq.dtype == torch.float32
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_the_command_converts_inspects_and_exports(upstream, tokenizer_folder, statistics, tmp_path, capsys):
    from vlaser_ros.cli import run

    torch.save({"model": {name: tensor.bfloat16() for name, tensor in upstream.items()}}, tmp_path / "policy.pt")
    save_statistics(statistics, tmp_path / "statistics.json")
    arguments = [
        "convert",
        str(tmp_path / "policy.pt"),
        str(tmp_path / "ours"),
        "--embodiment",
        "widowx",
        "--statistics",
        str(tmp_path / "statistics.json"),
    ]
    arguments += ["--tokenizer", str(tokenizer_folder), "--time-max-period", "100", "--vision-heads", "2"]
    assert run(arguments) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["dtype"] == "bfloat16"
    assert "assumed" in told.err and "rope_theta" in told.err and "time_max_period" not in told.err
    assert run(arguments) == 2 and "--overwrite" in capsys.readouterr().err
    assert run([*arguments, "--overwrite"]) == 0
    capsys.readouterr()
    assert run(["inspect", str(tmp_path / "ours"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"]["time_max_period"] == 100.0 and facts["embodiment"]["name"] == "widowx" and facts["dtypes"].keys() == {"bfloat16"}
    assert run(["inspect", str(tmp_path / "policy.pt"), "--tensors"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "copy of" in told and "read by nothing" in told and "internvl_model.action_expert.lm_head.weight" in told
    assert run(["export", str(tmp_path / "ours"), str(tmp_path / "chat")]) == 0
    assert "were left out" in capsys.readouterr().err
    assert load_checkpoint(tmp_path / "ours", dtype=None).model.dtype == torch.bfloat16


def test_the_command_tells_what_is_missing_or_left_over_and_converts_nothing(chat_folder, tmp_path, capsys):
    from vlaser_ros.cli import run

    second = chat_folder / "model-00002-of-00002.safetensors"
    weights = load_file(second) | {"vision_model.extra": torch.zeros(2)}
    del weights["vision_model.encoder.layers.0.attn.proj.bias"]
    save_file(weights, second)
    (chat_folder / "model.safetensors.index.json").unlink()
    assert run(["inspect", str(chat_folder)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "missing: 1 ['backbone.model.vision_tower.encoder.layer.0.attention.projection_layer.bias']" in told
    assert "left over: 1 ['vision_model.extra']" in told
    before = set(tmp_path.iterdir())
    assert run(["convert", str(chat_folder), str(tmp_path / "ours")]) == 2
    assert "1 tensors missing" in capsys.readouterr().err and set(tmp_path.iterdir()) == before


def test_a_pickle_of_more_than_tensors_is_refused_by_the_command_and_never_run(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"model": {"embed_tokens.weight": torch.zeros(2, 2)}, "hook": Trap()}, tmp_path / "policy.pt")
    for command in (["inspect", str(tmp_path / "policy.pt")], ["convert", str(tmp_path / "policy.pt"), str(tmp_path / "ours")]):
        assert "policy.pt: it holds more than tensors (it asks for io.open)" in refusal(command, tmp_path, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["policy.pt"]
