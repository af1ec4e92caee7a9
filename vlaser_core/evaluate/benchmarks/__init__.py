"""The twelve embodied-reasoning benchmarks of the Vlaser paper: readers of their published layouts, their prompts, how an answer
is read, their metrics, and the loop that asks.

Ten are questions with an answer each (`question.py`); EmbodiedBench's two are episodes in a simulator (`embodied/`). Every metric is there
as its publisher computes it (`upstream`) and without the faults that are named beside it (`corrected`). No torch: a model
is one that answers (`asking.py`).
"""
