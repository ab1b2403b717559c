"""Measures the guarantee on trained runs, in double precision: ``python -m melascope.lab.lrp RUN... --photo FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from melascope.lab.lrp import COMPOSITES, RelevanceNetwork
from melascope.lab.severity.explain_methods import limits_of
from melascope.lab.severity.run import load_run


def main() -> None:
    """Print a line a run and composite: where the logit went, the gap, sum |R| over |logit|, the logits' change."""
    parser = argparse.ArgumentParser(prog="python -m melascope.lab.lrp", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--photo", required=True, type=Path, help="a photo that the networks read")
    parser.add_argument("--rules", nargs="*", choices=list(COMPOSITES), default=list(COMPOSITES))
    wanted = parser.parse_args()
    print("| network | rules | pixels / logit | biases / logit | gap / logit | Σ\\|R\\| / \\|logit\\| | logits moved |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for folder in wanted.runs:
        run = load_run(folder)
        network = run.network.double()
        low, high = (limit.double() for limit in limits_of(run.config.scaling))
        pixels = run.read(wanted.photo).double().clamp(low, high)
        prepared = RelevanceNetwork(network)
        with torch.no_grad():
            moved = float((prepared.forward(pixels) - network(pixels)).abs().max())
        for name in wanted.rules:
            found = prepared.relevance(pixels, COMPOSITES[name], limits=(low, high))
            logit = float(found.target)
            shares = float(found.pixels.sum()) / logit, float(found.bias) / logit
            numbers = f"{shares[0]:.4f} | {shares[1]:.4f} | {float(found.gap) / logit:.1e} | {float(found.spread):.3g}"
            print(f"| {run.config.name} | {name} | {numbers} | {moved:.1e} |", flush=True)


if __name__ == "__main__":
    main()
