"""Ground, plan, ask: the prompts that put a question to the model and the parsers that survive any answer.

No torch and no image code here; the engine joins these with a model. The data engine uses the same wordings.
"""
