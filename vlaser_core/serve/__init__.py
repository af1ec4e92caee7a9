"""A policy behind a socket, for clients that other people wrote: openpi's protocol, and the vla-evaluation-harness'.

`server` listens, `openpi` and `harness` each speak one protocol, `keys` says which key of a message is which camera, `arrays` turns bytes
into arrays without running any of them. Imports neither ROS nor a simulator; clients need nothing of ours.
"""
