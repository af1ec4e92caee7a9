"""What an experiment's file may say."""

from __future__ import annotations

import pytest
import yaml

from training.ablation.command import Command
from training.ablation.settings import Ablation
from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.train.recipe import read_recipe


def changed(tmp_path, **fields):
    plain = yaml.safe_load((config_directory() / "train" / "ablation_smoke.yaml").read_text())
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump({**plain, **fields}))
    return str(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"initialisations": {"all": {"data": "tabletop"}}}, "need a `base`"),
        ({"initialisations": {"base": {"data": "tabletop"}}}, "need a `base`"),
        ({"seeds": [0, 0]}, "different numbers"),
        ({"sensitivities": {"more": {"backbone": "nobody"}}}, "unknown initialisations nobody"),
        ({"initialisations": {"base": {"data": ""}, "a b": {"data": "tabletop"}}}, "names files"),
        ({"initialisations": {"base": {"data": ""}, "none": {"data": "tabletop", "share": 0}}}, "share is above 0"),
        ({"turns": 0}, "at least 1"),
        ({"task_share": 1.5}, "0 to 1"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_what_makes_no_experiment_is_refused_in_words(tmp_path, fields, words):
    with pytest.raises(ConfigError, match=words):
        read_recipe(Ablation, changed(tmp_path, **fields))


def test_a_folder_of_another_experiment_is_not_gone_on_with(tmp_path):
    Command(tmp_path / "out", "ablation_smoke")._agree(read_recipe(Ablation, "ablation_smoke"))
    Command(tmp_path / "out", "ablation_smoke")._agree(read_recipe(Ablation, "ablation_smoke"))
    with pytest.raises(InputError, match="other settings"):
        Command(tmp_path / "out", "ablation")._agree(read_recipe(Ablation, "ablation"))


def test_an_unknown_job_is_refused(tmp_path):
    with pytest.raises(InputError, match="no job 'dance'"):
        Command(tmp_path, "ablation_smoke", job="dance").run()
