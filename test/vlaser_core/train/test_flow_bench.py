from __future__ import annotations

import pytest

from vlaser_core.train.flow_bench import bench


def test_both_ways_train_the_same_and_are_counted_apart(tiny, tmp_path):
    report = bench(tiny.model, batch=4, updates=2, times=2, folder=tmp_path)
    assert report.recomputed.loss == pytest.approx(report.stored.loss, rel=0.02)
    assert report.ratio == pytest.approx(report.stored.samples_per_s / report.recomputed.samples_per_s, rel=0.05)
    text = tiny.model.config.text
    assert report.prefix_bytes == 2 * text.layers * 2 * text.kv_heads * report.prefix_tokens * text.head_dim and report.samples == 16
    assert not list(tmp_path.iterdir())
