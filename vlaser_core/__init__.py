"""The model and its training: embodiments, the vision-language-action model, reasoning, data, evaluation.

Imports neither ROS nor a simulator. `embodiment`, `kinematics`, `geometry`, `types`, `errors` and
`processing.actions` also import no torch, so that the chunk controller can use them in a small process.
"""

__version__ = "0.1.0"
