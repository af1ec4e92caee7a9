"""Put the adapter into a user's checkout of RoboTwin or XPolicyLab, as `policy/Vlaser`: `vlaser robotwin install`.

Three places are known, and each that a checkout has is served:
    RoboTwin until July 2026      policy/            its own evaluation, script/eval_policy.py
    RoboTwin since                XPolicyLab/policy/ the submodule that its evaluation now calls
    XPolicyLab itself             policy/
XPolicyLab's shell scripts are the checkout's own: they are copied from its `demo_policy`, as its `create_policy.sh` does.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vlaser_core.errors import InputError

ADAPTER = Path(__file__).parent / "adapter"
NAME = "Vlaser"
SHARED = ("__init__.py", "vlaser_client.py", "two_arms.py", "deploy_policy.py")
CLASSIC = (*SHARED, "deploy_policy.yml")
XPOLICYLAB = (*SHARED, "model.py", "deploy.py", "deploy.yml")
SCRIPTS = ("eval.sh", "setup_eval_policy_server.sh", "setup_eval_env_client.sh")
KEPT = (".yml",)  # a user's settings are not overwritten


@dataclass(frozen=True)
class Installed:
    """A folder that was written. kind: robotwin or xpolicylab; kept: the user's own settings in it."""

    folder: Path
    kind: str
    files: tuple[str, ...]
    kept: tuple[str, ...]


def places(checkout: Path) -> list[tuple[Path, str]]:
    """Folders `policy` of a checkout, with the kind of evaluation that reads them. Raises InputError when there is none."""
    found = []
    if (checkout / "script" / "eval_policy.py").is_file():
        found.append((checkout / "policy", "robotwin"))
    for root in (checkout, checkout / "XPolicyLab"):
        if (root / "setup_policy_server.py").is_file() and (root / "model_template.py").is_file():
            found.append((root / "policy", "xpolicylab"))
    if not found:
        hint = "; its submodule XPolicyLab is empty: git submodule update --init XPolicyLab" if (checkout / "XPolicyLab").is_dir() else ""
        raise InputError(f"{checkout} is no checkout of RoboTwin 2.0 or XPolicyLab that a policy can be put into{hint}")
    return found


def install(checkout: Path, link: bool = False, force: bool = False) -> list[Installed]:
    """Write `policy/Vlaser` in every place of a checkout. link: symbolic links to this installation instead of copies.
    force: also replace a folder of that name that is not ours, and settings that were changed. Raises InputError."""
    installed = []
    for policies, kind in places(checkout):
        folder = policies / NAME
        if folder.exists() and not force and any(folder.iterdir()) and not (folder / "vlaser_client.py").exists():
            raise InputError(f"{folder} is there and not of our making: move it away, or replace its files with --force")
        folder.mkdir(parents=True, exist_ok=True)
        names, kept = XPOLICYLAB if kind == "xpolicylab" else CLASSIC, []
        for name in names:
            if name.endswith(KEPT) and (folder / name).is_file() and not force and (folder / name).read_bytes() != (ADAPTER / name).read_bytes():
                kept.append(name)
                continue
            _put(ADAPTER / name, folder / name, link and not name.endswith(KEPT))
        scripts = _scripts(policies, folder) if kind == "xpolicylab" else ()
        installed.append(Installed(folder, kind, (*names, *scripts), tuple(kept)))
    return installed


def _put(source: Path, target: Path, link: bool) -> None:
    target.unlink(missing_ok=True)
    if link:
        target.symlink_to(source)
    else:
        shutil.copyfile(source, target)


def _scripts(policies: Path, folder: Path) -> tuple[str, ...]:
    """The checkout's own shell scripts; they take the policy's name from their folder."""
    missing = [name for name in SCRIPTS if not (policies / "demo_policy" / name).is_file()]
    if missing:
        raise InputError(f"{policies}/demo_policy has no {missing[0]}, which every policy's is a copy of: update the checkout of XPolicyLab")
    for name in SCRIPTS:
        _put(policies / "demo_policy" / name, folder / name, link=False)
        (folder / name).chmod(0o755)
    return SCRIPTS
