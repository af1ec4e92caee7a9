"""Between a robot's units and the network's: pixels, prompt, normalisation, proprioception, chunk → joints.

`actions` and `proprio` import no torch: the chunk controller uses them.
"""
