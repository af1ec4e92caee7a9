from __future__ import annotations

import pytest
import torch
from torch import nn

from vlaser_core.errors import VlaserError
from vlaser_core.train.loop import LoopConfig, train
from vlaser_core.train.optimizer import Optimizer


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(5, 4)
        self.patches = nn.Conv2d(3, 4, 2)
        self.inside = nn.Linear(4, 6)
        self.action_decoder = nn.Linear(6, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.action_decoder(self.inside(self.embed_tokens(ids)))


def test_muon_moves_the_matrices_inside_and_adamw_the_rest():
    net = Net()
    named = list(net.named_parameters())
    parts = Optimizer(named, LoopConfig(10, 1e-3, optimizer="muon", weight_decay=0.5), {"inside": 0.1}).parts
    of = [{id(parameter) for group in part.param_groups for parameter in group["params"]} for part in parts]
    assert of[1] == {id(net.inside.weight)} and of[0] == {id(parameter) for _, parameter in named} - of[1]
    assert [type(part) for part in parts] == [torch.optim.AdamW, torch.optim.Muon]
    assert [group["weight_decay"] for group in parts[1].param_groups] == [0.5]
    assert [type(part) for part in Optimizer(named, LoopConfig(10, 1e-3), {}).parts] == [torch.optim.AdamW]


def test_every_direction_of_a_matrix_moves_alike_and_by_the_schedules_rate():
    """Orthogonal to within what five iterations in half precision leave; AdamW's first update is a sign for each weight."""
    net = nn.Linear(16, 16, bias=False)
    torch.manual_seed(0)
    gradient = torch.randn(16, 16) @ torch.diag(torch.logspace(0, -3, 16))
    for rates, factor in (({}, 1.0), ({"weight": 0.5}, 0.5)):
        before = net.weight.detach().clone()
        optimizer = Optimizer(net.named_parameters(), LoopConfig(10, 1e-3, optimizer="muon", matrix_rate=0.1, warmup=2), rates)
        net.weight.grad = gradient.clone()
        optimizer.step(0)
        moved = torch.linalg.svdvals(before - net.weight.detach())
        # Half of the warm-up of two updates.
        assert moved.max() < 1.3 * factor * 0.05 and moved.median() > 0.6 * factor * 0.05
    assert torch.linalg.svdvals(gradient).median() < 0.1 * torch.linalg.svdvals(gradient).max()


def test_it_learns_and_a_state_of_the_other_optimizer_is_refused(tmp_path):
    torch.manual_seed(0)
    net, ids = Net(), torch.arange(5)
    wanted = torch.randn(5, 2)
    for parameter in net.patches.parameters():
        parameter.requires_grad_(False)
    loss_at = lambda step: (net(ids) - wanted).square().mean()  # noqa: E731
    begin = loss_at(0).item()
    train(net, loss_at, LoopConfig(150, 1e-2, warmup=5, optimizer="muon", ema=0.9), tmp_path, "fit")
    assert loss_at(0).item() < begin / 20
    with pytest.raises(VlaserError, match="trained with another optimizer; give another --out, or remove"):
        train(net, loss_at, LoopConfig(200, 1e-2, ema=0.9), tmp_path, "fit")
