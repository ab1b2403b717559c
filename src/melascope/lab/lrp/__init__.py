"""Layer-wise relevance propagation by named rules through networks that `torch.fx` can trace, with a full account."""

from melascope.lab.lrp.composites import COMPOSITES, DEFAULT, Composite, composite
from melascope.lab.lrp.graph import LrpError
from melascope.lab.lrp.network import Relevance, RelevanceNetwork

__all__ = ["COMPOSITES", "DEFAULT", "Composite", "LrpError", "Relevance", "RelevanceNetwork", "composite"]
