"""`vlaser simpler setup`: the simulator's environment, and whether its assets are there. No ROS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console

from vlaser_core.errors import ConfigError

if TYPE_CHECKING:
    from vlaser_ros.commands.simpler import Assets, Setup


def setup(options: Setup) -> int:
    """Install, start the simulator once, and check files. 1 when assets are missing, which are named."""
    from sim_bridge.simpler.installation import choose_python, find_installation, make_environment
    from sim_bridge.simpler.link import SimulatorLink

    console = Console(stderr=True)
    account, absent = _assets(options)
    make_environment(options.checkout, choose_python(options.python), lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True))
    console.print("starting the simulator once")
    with SimulatorLink(find_installation(options.checkout)) as link:
        account["simulator"] = {"renderer": link.renderer, **link.versions}
    if not options.json:
        console.print(f"SimplerEnv runs: {account['simulator']}", highlight=False, markup=False, soft_wrap=True)
    return _tell(account, absent, options.json)


def assets(options: Assets) -> int:
    """Check files alone. 1 when some are missing."""
    return _tell(*_assets(options), options.json)


def _assets(options: Assets) -> tuple[dict, dict[str, str]]:
    """The account of the suites' files, and those that are missing with the reason."""
    from sim_bridge.simpler.assets import missing, required
    from sim_bridge.simpler.installation import Installation, check_checkout, commit_of
    from sim_bridge.simpler.suites import suite, tasks_of

    known = [task for name in options.suites for task in tasks_of(name)]
    if unknown := sorted(set(options.tasks) - set(known)):
        raise ConfigError(f"unknown tasks {', '.join(unknown)}; known: {', '.join(known)}")
    checkout = check_checkout(options.checkout)
    place = Installation(checkout, checkout)  # files are where they are, whatever interpreter reads them
    account: dict = {"checkout": str(checkout), "commit": commit_of(checkout), "suites": {}}
    files, absent = set(), {}
    for name in options.suites:
        episodes = [episode for episode in suite(name) if not options.tasks or episode.task in options.tasks]
        needed = required(place, episodes)
        wrong = {str(file.relative_to(checkout)): why for file, why in missing(needed).items()}
        files |= set(needed)
        absent |= wrong
        account["suites"][name] = {"episodes": len(episodes), "assets": len(needed), "missing": sorted(wrong)}
    return account | {"assets": len(files), "missing": len(absent)}, absent


def _tell(account: dict, absent: dict[str, str], as_json: bool) -> int:
    if not as_json:
        console = Console(stderr=True)
        for file, why in absent.items():
            console.print(f"{file}: {why}", highlight=False, markup=False, soft_wrap=True)
        there = f"{account['assets'] - account['missing']} of {account['assets']} assets are there"
        console.print(there + ("; a task without one of its own is refused" if absent else ""), highlight=False)
    print(json.dumps(account))
    return 1 if absent else 0
