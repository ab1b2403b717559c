"""Names of patches, by the network that ships and by what the skin network alone would say: docs/measurement.md, 4.

    python -m benchmarks.naming runs/naming/*.npz [--records FOLDER]

Of each file that `python -m melascope.lab.naming facts` wrote, the test part; and by tone, of all faces in them but
close-ups: sets whose lesions differ are mixed there, so that networks may be compared by it, but not tones. The skin
network alone names a patch by its mean probabilities among the six kinds; it knows no "none of the six". --records
counts the photographs of a folder that `melascope analyze` wrote by what their patches are called: of photographs that
show none of the six, each name is wrong.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from melascope import networks
from melascope.lab.naming.facts import OTHER, read_facts
from melascope.lab.naming.fit import measured
from melascope.lesions.naming import NETWORK
from melascope.record import Analysis
from melascope.vocabulary import ToneBand, View


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("files", type=Path, nargs="+")
    asked.add_argument("--records", type=Path)
    how = asked.parse_args()
    facts = read_facts(how.files)
    facts = facts.where(facts.parts == "test")
    shares = 1 / (1 + np.exp(-facts.facts[:, :OTHER].astype(np.float64)))
    named = {
        "network": networks.load(NETWORK)(facts.facts)[:, :OTHER].astype(np.float64),
        "skin network alone": shares / shares.sum(axis=1, keepdims=True),
    }
    groups = {source: facts.sources == source for source in sorted(set(facts.sources.tolist()))}
    for band in ToneBand:
        groups[f"no close-ups, {band.value}"] = (facts.bands == band.value) & (facts.views != View.CLOSE_UP)
    for group, own in groups.items():
        if own.any():
            print(f"\n{group}, test part")
            for name, chances in named.items():
                print(f"  {name}: {measured(facts.where(own), chances[own])}")
    if how.records is None:
        return
    records = [Analysis.model_validate_json(path.read_bytes()) for path in how.records.glob("*/analysis.json")]
    told: Counter[str] = Counter()
    for record in records:
        what, kinds = _told(record)
        told[what] += 1
        if kinds:
            print(f"{record.photo.file}: {what}: {' '.join(kinds)}")
    print(f"{len(records)} photographs: {dict(told)}")


def _told(record: Analysis) -> tuple[str, list[str]]:
    """What a photograph's patches are told to be, and the kinds that are named: surely, as one of two, or as unsure."""
    patches = record.lesions
    if named := {patch.kind.value for patch in patches if patch.kind is not None}:
        return "named", sorted(named)
    if doubted := {kind.value for patch in patches for kind in (patch.said or patch.perhaps) if kind is not None}:
        return "two kinds, or unsure which", sorted(doubted)
    if not patches:
        return "nothing outlined", []
    return ("like none of the six" if all(patch.said == () for patch in patches) else "nothing said"), []


if __name__ == "__main__":
    main()
