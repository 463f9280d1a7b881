"""The offline comparison as Markdown, from the campaign's ledger.

python benchmarks/offline_table.py [--ledger FILE] [--robustness]

One table of scores for each dataset, then MICRO minus each other algorithm over the seeds that both have. With
`--robustness`, the same of the areas under return against radius and of the mean over friction and gravity.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import campaign_ledger
import campaign_offline_rows
import numpy as np
from campaign_ledger import Entry

from spreeze.dataset import Reference
from spreeze.statistics import LEAST_SEEDS, bootstrap, mean

ROOT = Path(__file__).resolve().parents[1]
OURS = "MICRO"
"""What every other algorithm is subtracted from."""
GRID = "friction and gravity"


@dataclass(frozen=True)
class Result:
    """What one seed of one algorithm reached."""

    label: str
    seed: int
    values: Mapping[str, float]
    """Scores, or returns where there is no reference; what was not measured is missing."""
    counts: Mapping[str, int] = field(default_factory=dict)


def training_result(entry: Entry) -> Result:
    """Return the last and the best evaluation of a training, and how much went into them."""
    returns = {"last": entry["last_return"], "best": entry["best_return"]}
    last_updates = entry["curve"][-1][3] if entry["curve"] else 0
    counts = {"updates": last_updates, "evaluations": len(entry["curve"])}
    return Result(entry["label"], entry["seed"], scored(returns, entry["dataset"]["reference"]), counts)


def robustness_result(entry: Entry) -> Result:
    """Return the area of each attack and the mean over the grid of one evaluation."""
    found = entry["robustness"]
    returns = {**found["areas"], GRID: found["grid_mean"]}
    return Result(entry["label"], entry["seed"], scored(returns, found["reference"]))


def scored(returns: Mapping[str, float | None], reference: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the scores of the returns that there are; the returns themselves without a reference."""
    known = {name: value for name, value in returns.items() if value is not None}
    return {name: Reference(**reference).score(value) for name, value in known.items()} if reference else known


def scale(reference: Mapping[str, Any] | None) -> str:
    """Return a sentence on what the numbers of a table are."""
    if reference is None:
        return "Returns; the dataset has no reference scores."
    low, high, source = reference["minimum"], reference["maximum"], reference["source"]
    return f"Scores: 0 is a return of {low:.1f}, 100 of {high:.1f} ({source})."


def by_label(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Return the results by algorithm, in order of first appearance."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.label, []).append(result)
    return groups


def columns_of(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Return the names of all values and of all counts."""
    values = dict.fromkeys(name for result in results for name in result.values)
    counts = dict.fromkeys(name for result in results for name in result.counts)
    return list(values), list(counts)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def mean_table(results: Sequence[Result]) -> str:
    """Return the mean over the seeds of each algorithm, with the lowest and the highest seed, and what was counted."""
    values, counts = columns_of(results)
    rows = [
        [
            label,
            str(len(members)),
            *(mean_and_range([r.values[name] for r in members if name in r.values]) for name in values),
            *(count_range([r.counts[name] for r in members if name in r.counts]) for name in counts),
        ]
        for label, members in by_label(results).items()
    ]
    return markdown(["algorithm", "seeds", *values, *counts], rows)


def mean_and_range(values: Sequence[float]) -> str:
    """Return `mean (lowest to highest)`; of one value, the value; of none, a dash."""
    if not values:
        return "-"
    spread = f" ({tenths(min(values))} to {tenths(max(values))})" if len(values) > 1 else ""
    return f"{tenths(float(np.mean(values)))}{spread}"


def tenths(value: float, sign: str = "") -> str:
    """Return a number with one decimal and never a negative zero; `sign` "+" shows that of positive ones too."""
    return f"{round(value, 1) + 0.0:{sign}.1f}"


def count_range(counts: Sequence[int]) -> str:
    """Return a number, or the least and the greatest of several."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def difference_table(results: Sequence[Result]) -> str:
    """Return what is left of `OURS` minus each other algorithm, paired by seed; nothing where there is no pair."""
    groups, (values, _) = by_label(results), columns_of(results)
    ours = {result.seed: result for result in groups.pop(OURS, [])}
    rows = []
    for label, members in groups.items():
        pairs = [(ours[other.seed], other) for other in members if other.seed in ours]
        if pairs:
            cells = [
                difference([a.values[n] - b.values[n] for a, b in pairs if n in a.values and n in b.values])
                for n in values
            ]
            rows.append([label, str(len(pairs)), *cells])
    return markdown([f"{OURS} minus", "common seeds", *(f"{name} (95 %)" for name in values)], rows) if rows else ""


def difference(differences: Sequence[float]) -> str:
    """Return `mean (bootstrap interval)` of paired differences; a dash for the interval of fewer than `LEAST_SEEDS`."""
    if not differences:
        return "-"
    interval = "-"
    if len(differences) >= LEAST_SEEDS:
        found = bootstrap([differences], mean, np.random.default_rng(0))
        interval = f"{tenths(found.low, '+')} to {tenths(found.high, '+')}"
    return f"{tenths(float(np.mean(differences)), '+')} ({interval})"


def training_tables(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the text for each dataset, by name."""
    for logged in sorted(campaign_ledger.by_dataset(entries), key=lambda group: str(group[0]["dataset"]["name"])):
        data = logged[0]["dataset"]
        heading = f"### {data['name']} ({data['environment']}, SHA-256 {data['digest'][:12]})"
        yield text_of(heading, scale(data["reference"]), [training_result(entry) for entry in logged])


def robustness_tables(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the text for each environment and way of measuring."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if "robustness" in entry:
            groups.setdefault(json.dumps(protocol(entry), sort_keys=True), []).append(entry)
    for group in sorted(groups.values(), key=lambda members: str(members[0]["environment"])):
        found = group[0]["robustness"]
        spread, episodes = found["spread"], found["episodes"]
        notes = (
            f"{scale(found['reference'])} Areas under return over radius, divided by the range of radii, which count "
            f"the spread of {spread}; mean over friction and gravity; {episodes} episodes of each condition."
        )
        heading = f"### {group[0]['environment']}: attacks and changed physics"
        yield text_of(heading, notes, [robustness_result(entry) for entry in group])


def protocol(entry: Entry) -> list[Any]:
    """Return everything that two evaluations must share to stand in one table."""
    found = entry["robustness"]
    kept = [found[key] for key in ("episodes", "seed", "spread", "reference")]
    best_or_latest = found["checkpoint"].rpartition("-")[0]
    return [entry["environment"], best_or_latest, *kept, [cell[:2] for cell in (*found["attacked"], *found["grid"])]]


def text_of(heading: str, notes: str, results: Sequence[Result]) -> str:
    """Return heading, notes and both tables."""
    ordered = sorted(results, key=lambda result: order(result.label))
    return "\n\n".join(part for part in (heading, notes, mean_table(ordered), difference_table(ordered)) if part)


def order(label: str) -> int:
    """Return the place of an algorithm: as the campaign declares them, others behind."""
    labels = list(dict.fromkeys(row.algorithm for row in campaign_offline_rows.ROWS))
    return labels.index(label) if label in labels else len(labels)


def measured(results: Path) -> dict[str, Entry]:
    """Return the `robustness.json` files of the campaign's rows that lie in `results`, as the ledger keeps them."""
    rows = [row for row in campaign_offline_rows.ROWS if row.after and (results / row.name / row.result).exists()]
    files = ((row, (results / row.name / row.result).read_text(encoding="utf-8")) for row in rows)
    return {row.name: campaign_ledger.entry_of(row, json.loads(text), "unknown") for row, text in files}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=ROOT / "benchmarks" / "ledger.jsonl", metavar="FILE")
    parser.add_argument("--robustness", action="store_true", help="areas under attack and the mean over the grid")
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "runs" / "campaign",
        metavar="FOLDER",
        help="where robustness.json files that the ledger does not hold lie (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Print the tables."""
    args = parse()
    known = campaign_ledger.read(args.ledger)
    if args.robustness:
        tables = list(robustness_tables((measured(args.results) | known).values()))
        missing = "no robustness yet: python benchmarks/campaign.py run --only robust-"
    else:
        tables = list(training_tables(known.values()))
        missing = "no offline run yet: python benchmarks/campaign.py run --only offline-,d3rlpy-"
    print("\n\n".join(tables) or missing)


if __name__ == "__main__":
    main()
