"""A batch says what its prompts say alone; sampling follows its seed; a picture costs the tokens its tiles need."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from vlaser_core.checkpoint.folder import Checkpoint
from vlaser_core.engine import Engine
from vlaser_core.errors import CheckpointError, InputError
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.tokenizer import END, IMAGE
from vlaser_core.reasoning import generate as module
from vlaser_core.reasoning.generate import Prompt, generate
from vlaser_core.reasoning.prompts import INTERNVL_SYSTEM, chat_prompt
from vlaser_core.reasoning.types import Sampling


def prompts_of(tiny: Checkpoint, sampling: Sampling = Sampling()) -> list[Prompt]:
    """Different lengths, one to three tiles, and one prompt without a picture."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for question, tiles in (("where is the carrot?", 1), ("what is left of the plate, and what is behind it?", 3), ("why?", 0)):
        text = chat_prompt([("user", question)], "None", [tiles * tiny.model.config.image_tokens] if tiles else None)
        ids = tiny.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"][0]
        made.append(Prompt(ids, torch.randn(tiles, 3, 64, 64, generator=generator) if tiles else None, sampling))
    assert len({len(prompt.ids_T) for prompt in made}) == 3
    return made


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0, top_p=0.9, seed=5)])
def test_a_batch_answers_as_its_prompts_do_alone(tiny, sampling, both_ways):
    prompts = prompts_of(tiny, sampling)
    if both_ways:
        prompts = [dataclasses.replace(prompt, both_ways=len(prompt.ids_T) - 2) for prompt in prompts]
    together = generate(tiny.model, tiny.tokenizer, prompts, 12)
    for prompt, shared in zip(prompts, together, strict=True):
        (alone,) = generate(tiny.model, tiny.tokenizer, [prompt], 12)
        assert alone.text == shared.text and alone.text
        assert alone.probabilities == pytest.approx(shared.probabilities, abs=1e-5)


@pytest.mark.parametrize("both_ways", [0, 30])
def test_the_cache_changes_no_word(tiny, both_ways, monkeypatch):
    """Against whole forward passes over an ever longer sequence, read causally or with a beginning read both ways."""
    monkeypatch.setattr(module, "PREFILL_TOKENS", 20)
    prompt = dataclasses.replace(prompts_of(tiny)[1], both_ways=both_ways)
    ids, pixels, tokens = prompt.ids_T[None], prompt.pixels, []
    with torch.inference_mode():
        for _ in range(8):
            hidden = tiny.model.language(ids, torch.ones_like(ids, dtype=torch.bool), pixels, torch.tensor([both_ways]))
            tokens.append(int(tiny.model.backbone.lm_head(hidden[0, -1]).argmax()))
            ids = torch.cat([ids, torch.tensor([[tokens[-1]]])], dim=1)
    (done,) = generate(tiny.model, tiny.tokenizer, [prompt], 8)
    stop = tiny.tokenizer.convert_tokens_to_ids(END)
    expected = tokens[: tokens.index(stop)] if stop in tokens else tokens
    assert done.text == tiny.tokenizer.decode(expected) and len(done.probabilities) == len(expected)


def test_reading_a_long_prompt_in_parts_changes_nothing(tiny, monkeypatch):
    prompts = prompts_of(tiny)
    whole = generate(tiny.model, tiny.tokenizer, prompts, 6)
    alone = generate(tiny.model, tiny.tokenizer, prompts[1:2], 6)
    monkeypatch.setattr(module, "PREFILL_TOKENS", 7)
    for before, after in zip(
        [*whole, *alone],
        [*generate(tiny.model, tiny.tokenizer, prompts, 6), *generate(tiny.model, tiny.tokenizer, prompts[1:2], 6)],
        strict=True,
    ):
        assert before.text == after.text and before.probabilities == pytest.approx(after.probabilities, abs=1e-5)


def test_a_caller_may_go_first_before_every_tile_part_and_token(tiny, monkeypatch):
    passes = 0

    @contextmanager
    def between():
        nonlocal passes
        passes += 1
        yield

    monkeypatch.setattr(module, "PREFILL_TOKENS", 16)
    prompt = prompts_of(tiny)[1]
    (done,) = generate(tiny.model, tiny.tokenizer, [prompt], 4, between)
    parts = -(-len(prompt.ids_T) // 16)
    assert len(done.probabilities) == 4 and passes == 3 + parts + 3


def test_a_stop_token_ends_one_answer_and_not_the_others(tiny, monkeypatch):
    stop = tiny.tokenizer.convert_tokens_to_ids(END)
    choose, steps = module._Row.choose, {}

    def stopping(row, logits, stops):
        steps[id(row)] = steps.get(id(row), 0) + 1
        if row._sampling.seed == 1 and steps[id(row)] == 3:
            logits = torch.full_like(logits, -1e4).index_fill(0, torch.tensor([stop]), 0.0)
        return choose(row, logits, stops)

    prompts = [dataclasses.replace(prompt, sampling=Sampling(seed=k)) for k, prompt in enumerate(prompts_of(tiny))]
    alone = generate(tiny.model, tiny.tokenizer, [prompts[2]], 7)[0]
    monkeypatch.setattr(module._Row, "choose", stopping)
    texts = generate(tiny.model, tiny.tokenizer, prompts, 7)
    assert len(texts[1].probabilities) == 2 and END not in texts[1].text
    assert texts[2].text == alone.text


def test_sampling_follows_its_seed_and_its_nucleus(tiny):
    prompt = prompts_of(tiny)[0]

    def text(sampling: Sampling) -> str:
        return generate(tiny.model, tiny.tokenizer, [dataclasses.replace(prompt, sampling=sampling)], 10)[0].text

    assert text(Sampling(1.0, seed=1)) == text(Sampling(1.0, seed=1))
    assert len({text(Sampling(1.0, seed=seed)) for seed in range(4)}) > 1
    # A nucleus smaller than the likeliest token's share holds that token alone.
    assert text(Sampling(1.0, top_p=1e-6, seed=1)) == text(Sampling())


@pytest.mark.parametrize(("temperature", "top_p"), [(-1.0, 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, 1.1)])
def test_sampling_outside_its_range_is_refused(temperature, top_p):
    with pytest.raises(InputError, match="temperature is 0 or more"):
        Sampling(temperature, top_p)


def test_a_prompt_without_room_to_answer_is_refused(tiny):
    with pytest.raises(InputError, match="exceeds the model's 512"):
        generate(tiny.model, tiny.tokenizer, prompts_of(tiny)[:1], 500)


@pytest.fixture
def chat(tiny_config, tokenizer) -> Engine:
    """A model that only reasons and cuts its pictures, as Vlaser-2B does."""
    torch.manual_seed(0)
    text = dataclasses.replace(tiny_config.text, max_positions=2048)
    config = dataclasses.replace(
        tiny_config, text=text, expert=None, horizon=0, action_dim=0, proprio_dim=0, max_tiles=12, chat_system="internvl"
    )
    return Engine(Checkpoint(Vlaser(config, tokenizer.convert_tokens_to_ids(IMAGE)).eval(), tokenizer, None, None))


def test_pictures_are_cut_and_share_their_tiles(chat, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "vlaser_core.engine.generate",
        lambda model, tokenizer, prompts, *rest: seen.append(prompts[0]) or generate(model, tokenizer, prompts, 1),
    )
    wide = np.random.default_rng(0).integers(0, 256, (60, 240, 3), dtype=np.uint8)
    chat.ask(wide, "what is this?")
    chat.ask([wide, wide, wide, wide], "what has changed?")
    one, four = seen
    assert len(one.pixels) == 5 and len(four.pixels) == 16  # 4 tiles and a thumbnail; then 3 and a thumbnail each
    image = chat.tokenizer.convert_tokens_to_ids(IMAGE)
    assert int((one.ids_T == image).sum()) == 5 * chat.model.config.image_tokens
    text = chat.tokenizer.decode(four.ids_T)
    assert INTERNVL_SYSTEM in text and "Image-4: <img>" in text


def test_a_question_says_where_its_pictures_stand(chat, picture):
    assert chat.ask([picture, picture], "Before: <image> After: <image> What moved?").text is not None
    with pytest.raises(InputError, match="1 <image> placeholders for 2 pictures"):
        chat.ask([picture, picture], "Only <image> here?")
    with pytest.raises(InputError, match="at least one picture"):
        chat.ask([], "what?")


def test_a_model_that_only_reasons_says_so_when_asked_to_act(chat):
    with pytest.raises(CheckpointError, match="only reasons"):
        chat.predict(None, "put carrot on plate")
