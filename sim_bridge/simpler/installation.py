"""A user's checkout of SimplerEnv, and the Python environment it runs in.

    installation = find_installation(Path("SimplerEnv"))     # what `vlaser simpler setup` made there
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from vlaser_core.errors import ConfigError

FOLDER = ".vlaser"  # in the checkout: the environment, and `setup.json` that says where it is
PYTHONS = ((3, 10), (3, 11))  # that sapien 2.2.2 has wheels for and SimplerEnv allows
# setuptools below 81 has pkg_resources, which sapien imports; the rest as the simulator's authors ran it.
PINS = ("sapien==2.2.2", "gymnasium==0.29.1", "numpy==1.26.4", "opencv-python<4.12", "setuptools<81", "wheel")
GET = (
    "get it with `git clone --recurse-submodules` of simpler-env/SimplerEnv "
    "(the submodule ManiSkill2_real2sim carries the assets)"
)


@dataclass(frozen=True)
class Installation:
    """checkout: the folder of SimplerEnv; python: the interpreter that imports it."""

    checkout: Path
    python: Path

    @property
    def data(self) -> Path:
        """Objects, scenes and overlay pictures."""
        return self.checkout / "ManiSkill2_real2sim" / "data"

    @property
    def descriptions(self) -> Path:
        """URDFs and meshes of the robots."""
        return self.checkout / "ManiSkill2_real2sim" / "mani_skill2_real2sim" / "assets" / "descriptions"


def check_checkout(checkout: Path) -> Path:
    """The folder, absolute. Raises ConfigError when it holds no SimplerEnv with its ManiSkill2_real2sim."""
    checkout = checkout.expanduser().resolve()
    if not checkout.is_dir():
        raise ConfigError(f"no folder {checkout}; {GET}")
    for part in ("simpler_env", "ManiSkill2_real2sim/mani_skill2_real2sim", "ManiSkill2_real2sim/data"):
        if not (checkout / part).is_dir():
            raise ConfigError(f"{checkout} is no checkout of SimplerEnv: it has no folder {part}; {GET}")
    return checkout


def find_installation(checkout: Path) -> Installation:
    """What `vlaser simpler setup --checkout` made. Raises ConfigError telling what is missing and how to get it."""
    checkout = check_checkout(checkout)
    note = checkout / FOLDER / "setup.json"
    try:
        python = Path(json.loads(note.read_text(encoding="utf-8"))["python"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{checkout} has no environment yet ({note.name}: {error}); run `vlaser simpler setup --checkout {checkout}`") from error
    if not python.is_file():
        raise ConfigError(f"the interpreter {python} of {note} is gone; run `vlaser simpler setup --checkout {checkout}` again")
    return Installation(checkout, python)


def choose_python(wanted: Path | None = None) -> Path:
    """An interpreter the simulator has wheels for: `wanted`, this one, or python3.10 / python3.11 on the path. Raises ConfigError."""
    names = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    if wanted is not None:
        found = _version(wanted)
        if found not in PYTHONS:
            raise ConfigError(f"{wanted} is Python {'.'.join(map(str, found)) if found else 'of no version it tells'}; sapien 2.2.2 needs Python {names}")
        return wanted
    candidates = [Path(sys.executable), *(Path(path) for major, minor in PYTHONS if (path := shutil.which(f"python{major}.{minor}")))]
    for candidate in candidates:
        if _version(candidate) in PYTHONS:
            return candidate
    raise ConfigError(f"sapien 2.2.2 needs Python {names}; none is on the path: install one and give it with --python")


def _version(python: Path) -> tuple[int, int] | None:
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        told = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, timeout=60)
        major, minor = told.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def make_environment(checkout: Path, python: Path, say: Callable[[str], None] = print) -> Installation:
    """Make (or bring up to date) the environment in `checkout/.vlaser/venv` and note it. Raises ConfigError with pip's words."""
    checkout = check_checkout(checkout)
    home = checkout / FOLDER
    interpreter = home / "venv" / "bin" / "python"
    if _version(interpreter) != _version(python):
        say(f"making {home / 'venv'} with {python}")
        _run([str(python), "-m", "venv", "--clear", str(home / "venv")])
    pip = [str(interpreter), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    say(f"installing {', '.join(PINS)}")
    _run([*pip, *PINS])
    for part in ("ManiSkill2_real2sim", "."):
        say(f"installing {(checkout / part).resolve()} (editable)")
        # Without isolation the pinned setuptools builds it; the pins stand beside it so that no dependency moves them.
        _run([*pip, "--no-build-isolation", *PINS, "--editable", str(checkout / part)])
    installation = Installation(checkout, interpreter)
    (home / "setup.json").write_text(json.dumps({**{name: str(value) for name, value in asdict(installation).items()}, "pins": PINS}, indent=1) + "\n", encoding="utf-8")
    return installation


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        words = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise ConfigError(f"`{' '.join(command[:6])} …` ended with {done.returncode}:\n{words}")


def commit_of(folder: Path) -> str:
    """The commit a folder stands at, `+changes` behind it where files differ; empty where it is no git checkout."""
    git = ["git", "-C", str(folder)]
    try:
        head = subprocess.run([*git, "rev-parse", "--show-toplevel", "HEAD"], capture_output=True, text=True, timeout=60)
        if head.returncode:
            return ""
        top, commit = head.stdout.split("\n")[:2]
        if Path(top).resolve() != folder.resolve():
            return ""
        changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return commit + ("+changes" if changed.stdout.strip() else "")
