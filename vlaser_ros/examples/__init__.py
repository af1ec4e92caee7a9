"""Programs to start from: the robot's verbs in a script and in a behaviour tree, which import the client and nothing else of this package, and a
policy behind a socket, which imports nothing of it."""
