"""Two runs of one evaluation: differences, whether their intervals overlap, a paired test where both did the same things, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from vlaser_core.errors import InputError
from vlaser_core.evaluate.intervals import mcnemar, sign_flips
from vlaser_core.evaluate.report.model import Measure
from vlaser_core.evaluate.report.page import STYLE, bar, percent
from vlaser_core.evaluate.report.results import Number, Results, Sum
from vlaser_core.pages import document, facts, table, told

ALPHA = 0.05
_STYLE = "td.pair svg.bar { width: 8.5rem; height: .9rem; } td.said { white-space: nowrap; } td.pair svg.bar:first-child .value { fill: var(--muted); } td.name { min-width: 9rem; }"
SHOWN = 200  # changed items of each direction on a page


@dataclass(frozen=True)
class Paired:
    """Over the n things both runs did. better, worse: where the second scored higher, lower. p: two-sided, of McNemar's exact test where every
    score is 0 or 1 and weighs the same, else of sign flips; test says which."""

    n: int
    better: int
    worse: int
    mean_difference: float
    p: float
    test: str


@dataclass(frozen=True)
class Change:
    """first, second, difference: 0…1. overlap: of the 95 % intervals, None where one has none. paired: None where nothing was done by both."""

    name: str
    first: float | None
    second: float | None
    difference: float | None
    overlap: bool | None
    paired: Paired | None


@dataclass(frozen=True)
class Comparison:
    """changed: (measure, id, first, second) of everything whose score differs, worsened first. settings: (first's, second's) that differ. alone: things that
    only one of the runs did."""

    first: Results
    second: Results
    changes: tuple[Change, ...]
    changed: tuple[tuple[str, str, float, float], ...]
    settings: dict[str, tuple[Any, Any]]
    alone: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.first.kind,
            "first": self.first.name,
            "second": self.second.name,
            "changes": [asdict(change) for change in self.changes],
            "changed": [list(each) for each in self.changed],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "only_first": self.alone[0],
            "only_second": self.alone[1],
        }


def compare(first: Results, second: Results) -> Comparison:
    """Raises InputError for two kinds of evaluation, or two that measured nothing in common."""
    if first.kind != second.kind:
        raise InputError(f"{first.name} is an evaluation of kind {first.kind}, {second.name} one of kind {second.kind}: give two of one kind")
    names = list(dict.fromkeys([*first.numbers, *second.numbers]))
    if not set(first.numbers) & set(second.numbers):
        raise InputError(f"{first.name} and {second.name} measured nothing in common: {', '.join(first.numbers)}; {', '.join(second.numbers)}")
    both = sorted(set(first.items) & set(second.items))
    changes = []
    for name in names:
        sums = first.sums.get(name) or second.sums.get(name) or Sum(frozenset([name]), alike=False)
        mine = [key for key in both if key[0] in sums.measures]
        counts = Counter(measure for measure, _ in mine)
        weights = [1 / (len(counts) * counts[measure]) if sums.alike else 1 / len(mine) for measure, _ in mine]
        pairs = [(first.items[key], second.items[key]) for key in mine]
        changes.append(_change(name, first.numbers.get(name), second.numbers.get(name), pairs, weights))
    changed = [(*key, first.items[key], second.items[key]) for key in both if first.items[key] != second.items[key]]
    keys = {*first.settings, *second.settings}
    differing = {key: (first.settings.get(key), second.settings.get(key)) for key in sorted(keys) if first.settings.get(key) != second.settings.get(key)}
    alone = len(set(first.items) - set(second.items)), len(set(second.items) - set(first.items))
    return Comparison(first, second, tuple(changes), tuple(sorted(changed, key=lambda each: each[3] - each[2])), differing, alone)


def _change(name: str, first: Number | None, second: Number | None, pairs: list[tuple[float, float]], weights: list[float]) -> Change:
    values = [None if number is None else number.value for number in (first, second)]
    difference = None if None in values else values[1] - values[0]
    overlap = None
    if first is not None and second is not None and first.interval and second.interval:
        overlap = first.interval[0] <= second.interval[1] and second.interval[0] <= first.interval[1]
    return Change(name, values[0], values[1], difference, overlap, paired(pairs, weights) if pairs else None)


def paired(pairs: Sequence[tuple[float, float]], weights: Sequence[float]) -> Paired:
    """The test for things both runs did: (first, second) each, with its weight in the mean; weights sum to 1."""
    differences = [second - first for first, second in pairs]
    better, worse = sum(each > 0 for each in differences), sum(each < 0 for each in differences)
    exact = all(value in (0.0, 1.0) for pair in pairs for value in pair) and max(weights) - min(weights) < 1e-12
    weighted = [difference * weight for difference, weight in zip(differences, weights, strict=True)]
    p = mcnemar(worse, better) if exact else sign_flips(weighted)
    return Paired(len(pairs), better, worse, sum(weighted), p, "McNemar, exact" if exact else "sign flips")


def verdict(change: Change) -> str:
    """What can be said of a change, and no more."""
    if change.difference is None:
        return "only one run has it"
    if change.paired is not None:
        if not change.paired.better + change.paired.worse:
            return "the same"
        return "differ" if change.paired.p < ALPHA else "no difference shown"
    return "not paired"


def overlap(change: Change) -> str:
    return {None: "", True: "overlap", False: "apart"}[change.overlap]


def words(change: Change) -> str:
    """A change in a sentence."""
    said, found = verdict(change), change.paired
    if found is not None:
        said += f": {found.better} better and {found.worse} worse of {found.n}, p {found.p:.2g} ({found.test})"
    return said + (f"; intervals {overlap(change)}" if overlap(change) else "")


def page(found: Comparison, command: str) -> str:
    """The comparison as one page that needs nothing else."""
    first, second = found.first, found.second
    title = f"{first.name} and {second.name}" if first.name != second.name else f"Two runs of {first.name}"
    parts = [
        f"<h1>{escape(title)}</h1><p class=headline>{escape(_headline(found))}</p>",
        facts({"first": first.name, "second": second.name, "evaluation": first.kind}),
        _results(found),
        _changed(found),
    ]
    notes = [f"first: {note}" for note in first.notes] + [f"second: {note}" for note in second.notes]
    notes += [f"only the {which} run did {count} of the episodes or questions" for which, count in zip(("first", "second"), found.alone, strict=True) if count]
    if notes:
        parts.append("<h2>Mind</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    if found.settings:
        parts.append("<h2>Settings that differ</h2>" + table(["", "first", "second"], [[escape(key), told(a), told(b)] for key, (a, b) in found.settings.items()]))
    else:
        parts.append("<h2>Settings that differ</h2><p class=muted>None.</p>")
    parts.append(f"<h2>Again</h2><pre>{escape(command)}</pre>")
    return document(title, "".join(parts), STYLE + _STYLE)


def _results(found: Comparison) -> str:
    rows = []
    for change in found.changes:
        numbers = [results.numbers.get(change.name) for results in (found.first, found.second)]
        values = "".join(f"<td class=n>{percent(None if number is None else number.value)}</td>" for number in numbers)
        bars = "".join("" if number is None else bar(Measure(change.name, number.value, number.interval)) for number in numbers)
        difference = "—" if change.difference is None else f"{100 * change.difference:+.1f}"
        said, tested = verdict(change), change.paired
        mark = "" if said != "differ" else " yes" if tested.mean_difference > 0 else " no"
        counts = (str(tested.better), str(tested.worse), str(tested.n), f"{tested.p:.2g}") if tested else ("",) * 4
        paired_cells = "".join(f"<td class=n>{cell}</td>" for cell in counts)
        main = " class=main" if change.name in (found.first.mean, found.second.mean) else ""
        rows.append(
            f"<tr{main}><td class=name>{escape(change.name)}</td>{values}<td class=pair>{bars}</td><td class='n{mark}'>{difference}</td>"
            f"{paired_cells}<td class=said>{escape(said)}</td><td>{overlap(change)}</td></tr>"
        )
    heads = "".join(f"<th class=n>{name}</th>" for name in ("first, %", "second, %"))
    paired_heads = "".join(f"<th class=n>{name}</th>" for name in ("better", "worse", "of", "p"))
    tests = sorted({change.paired.test for change in found.changes if change.paired})
    about = f"Bars with 95 % intervals: first above second. p: {' or '.join(tests)}, over what both runs did; at {ALPHA:.0%}. Several measures are several tests."
    if not tests:
        about = "Bars with 95 % intervals: first above second. Nothing could be paired."
    return (
        f'<h2>Results</h2><div class="wide"><table><tr><th></th>{heads}<th></th><th class=n>difference</th>{paired_heads}<th></th><th>intervals</th></tr>'
        f'{"".join(rows)}</table></div><p class="muted">{escape(about)}</p>'
    )


def _headline(found: Comparison) -> str:
    tested = [change for change in found.changes if change.paired is not None]
    main = next((change for change in found.changes if change.name in (found.first.mean, found.second.mean)), None)
    shown = f"{main.name}: {100 * main.first:.1f} % and {100 * main.second:.1f} %; {words(main)}" if main is not None and main.difference is not None else ""
    if shown:
        return shown
    return f"{sum(change.paired.p < ALPHA for change in tested)} of {len(tested)} measures differ" if tested else "nothing could be paired"


def _changed(found: Comparison) -> str:
    worse, better = [each for each in found.changed if each[3] < each[2]], [each for each in reversed(found.changed) if each[3] > each[2]]
    parts = [f"<h2>What changed</h2><p class=muted>{len(worse)} worse and {len(better)} better in the second run.</p>"]
    for name, changed in (("Worse in the second", worse), ("Better in the second", better)):
        if changed:
            rows = [[escape(measure), escape(identity), percent(a, 0), percent(b, 0)] for measure, identity, a, b in changed[:SHOWN]]
            more = f'<p class="muted">and {len(changed) - SHOWN} more</p>' if len(changed) > SHOWN else ""
            parts.append(f"<details{' open' if len(changed) <= 40 else ''}><summary><b>{name}: {len(changed)}</b></summary>{table(['', '', '#first', '#second'], rows)}{more}</details>")
    return "".join(parts)
