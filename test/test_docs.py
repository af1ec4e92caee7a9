"""The documents speak of the project as it is: every path, link, command, option, test and code they name exists."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from vlaser_ros.bringup import load_bringup
from vlaser_ros.commands.arguments import parse

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.is_file()]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {"runs", "build"}}
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def prose(name: str) -> str:
    return FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))


def spans(name: str) -> list[str]:
    """What stands between backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", prose(name))


def commands(name: str, program: str) -> Iterator[list[str]]:
    """The words behind `program` in the document's code blocks, comments left out."""
    for block in FENCE.findall((ROOT / name).read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue  # not a shell line: a drawing, or Python
            words = words[next((index for index, word in enumerate(words) if Path(word).name == program), len(words)) :]
            if len(words) > 1:
                yield words[1:]


@lru_cache(maxsize=None)
def help_of(*subcommands: str) -> str:
    """What `vlaser SUBCOMMAND [SUBCOMMAND] --help` prints. Fails for a subcommand that there is not."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown), pytest.raises(SystemExit) as end:
        parse([*subcommands, "--help"])
    # An unknown one is answered with the help of the whole program, and code 0.
    assert end.value.code == 0 and shown.getvalue().startswith(f"usage: vlaser {' '.join(subcommands)} "), f"there is no `vlaser {' '.join(subcommands)}`"
    return shown.getvalue()


def is_repository_path(span: str) -> bool:
    first, slash, _ = span.partition("/")
    return bool(slash) and first in FOLDERS and bool(re.fullmatch(r"[\w./-]+", span))


def test_there_are_documents():
    assert {"docs/architecture.md", "docs/conventions.md", "docs/faults.md", "docs/tabletop.md", "docs/training.md"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    dead = [link for link in LINK.findall(prose(name)) if not ((ROOT / name).parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("name", NAMES)
def test_paths_of_the_repository_exist(name):
    dead = [span for span in spans(name) if is_repository_path(span) and not (ROOT / span).exists()]
    assert not dead


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_code_blocks_are_read_to_the_end(name):
    for words in commands(name, "vlaser"):
        try:
            # A placeholder like [OPTIONS] is not in these documents; every line must be one that can be typed.
            parse(words)
        except SystemExit:
            pytest.fail(f"{name}: `vlaser {shlex.join(words)}` is not a command line that vlaser reads")


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_the_text_exist_with_their_options(name):
    for span in spans(name):
        words = span.split()
        # "`vlaser` command" and the like name the program alone.
        if words[0] != "vlaser" or len(words) < 2:
            continue
        shown = help_of(words[1])
        nested = re.search(r"\{([\w,]+)\}", shown.splitlines()[0])
        if nested and len(words) > 2 and words[2] in nested[1].split(","):
            shown = help_of(words[1], words[2])
        missing = [word for word in words[2:] if word.startswith("--") and not re.search(rf"{word}(?![\w-])", shown)]
        assert not missing, f"{name}: `{span}`"


@pytest.mark.parametrize("name", NAMES)
def test_launch_files_exist_with_the_arguments_they_are_given(name):
    for words in commands(name, "ros2"):
        if words[:2] != ["launch", "vlaser_ros"]:
            continue
        file, given = ROOT / "launch" / words[2], {word.partition(":=")[0] for word in words[3:] if ":=" in word}
        assert file.is_file(), f"{name}: {words[2]}"
        robot = words[2].removesuffix(".launch.py")
        if robot == "view":
            # Read, not imported: it needs ROS 2's launch.
            known = set(re.findall(r'_Argument\("(\w+)"', (ROOT / "vlaser_ros/viewing.py").read_text(encoding="utf-8")))
        else:
            known = {argument.name for argument in load_bringup(robot).every_argument()}
        assert given <= known, f"{name}: {shlex.join(words)}: {sorted(given - known)}"


def test_every_page_is_found_from_the_readme():
    linked = set(LINK.findall(prose("README.md")))
    assert {name for name in NAMES if name.startswith("docs/")} <= linked


def test_every_picture_is_shown_by_some_page():
    shown = {Path(found).name for page in NAMES for found in re.findall(r"!\[[^]]*\]\(([^)]+)\)", prose(page))}
    assert {path.name for path in (ROOT / "docs/images").iterdir()} == shown


@pytest.mark.parametrize("name", NAMES)
def test_modules_that_are_run_exist(name):
    for program in ("python", "torchrun"):
        for words in commands(name, program):
            if "-m" in words:
                module = words[words.index("-m") + 1]
                assert importlib.util.find_spec(module) is not None, f"{name}: {module}"


@pytest.mark.parametrize("name", NAMES)
def test_the_recipes_steps_and_options_exist(name):
    # Read, not imported: the recipe loads torch.
    module = ast.parse((ROOT / "training/nano.py").read_text(encoding="utf-8"))
    fields = {
        node.name.lower(): {"--" + part.target.id.replace("_", "-") for part in node.body if isinstance(part, ast.AnnAssign)}
        for node in module.body
        if isinstance(node, ast.ClassDef)
    }
    for program in ("python", "torchrun"):
        for words in commands(name, program):
            if "training.nano" in words:
                step, *options = words[words.index("training.nano") + 1 :]
                assert step in fields, f"{name}: {step}"
                assert {option for option in options if option.startswith("--")} <= fields[step], f"{name}: {shlex.join(words)}"


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_exist(name):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {words[0] for words in commands(name, "make") if "=" not in words[0]} | {span.split()[1] for span in spans(name) if re.fullmatch(r"make \w+", span)}
    # `apt install … make git` is about the program.
    assert named <= targets | {"git"}


@pytest.mark.parametrize("name", NAMES)
def test_tests_that_are_named_exist(name):
    defined = {found for path in (ROOT / "test").rglob("test_*.py") for found in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {span for span in spans(name) if re.fullmatch(r"test_\w+", span)} <= defined


def test_result_codes_that_are_named_exist_and_none_is_forgotten():
    declared = set(re.findall(r"^uint16 ([A-Z_]+)=", (ROOT / "msg/msg/ResultCode.msg").read_text(encoding="utf-8"), re.MULTILINE)) - {"NONE"}
    named = {span for span in spans("docs/faults.md") if re.fullmatch(r"[A-Z]+(_[A-Z]+)*", span)}
    assert named <= declared, named - declared
    assert declared <= named, f"docs/faults.md says nothing of {sorted(declared - named)}"
