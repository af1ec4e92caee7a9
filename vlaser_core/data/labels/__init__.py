"""Labels written and judged by vision-language models, for pictures of which nothing exact is known.

A `Writer` (chat.py) answers a request about pictures: an OpenAI-compatible endpoint (endpoint.py) or a checkpoint on this
machine (local.py). Around it go a budget, retries and a cache on the disk (budget.py, retry.py, cache.py), so that nothing is
paid twice. `WriteLabels` (write.py) and `Judge` (judge.py) are stages of the data engine; what they ask is data
(config/data/labels/families.yaml). No ROS, no simulator; torch only where a local model is opened.
"""
