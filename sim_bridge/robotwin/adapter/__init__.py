"""What `vlaser robotwin install` puts into a user's checkout as `policy/Vlaser`. Runs in RoboTwin's or XPolicyLab's environment: the standard
library and numpy, nothing of ours; the policy itself is behind `vlaser serve`, in another process with other packages."""

from .deploy_policy import *  # noqa: F403  (RoboTwin looks its three functions up on the package)
