"""The network: an InternVL backbone and a flow-matching action expert that continues its attention.

Everything here works on tensors. Robots' units, text and files are next door (processing, reasoning, checkpoint).
Shape suffixes: B batch, T prefix tokens, H horizon, A action dim, P proprio dim, D expert width.
"""
