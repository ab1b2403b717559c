"""Data sets on disk: the manifest, the files beside it, splits by person, annotation formats, and a check."""

from melascope.data.dataset import DataSet, Sample
from melascope.data.manifest import Manifest, ManifestError, read_manifest, write_manifest
from melascope.data.row import Part, Row
from melascope.data.splits import assign_splits, deal_splits

__all__ = [
    "DataSet",
    "Manifest",
    "ManifestError",
    "Part",
    "Row",
    "Sample",
    "assign_splits",
    "deal_splits",
    "read_manifest",
    "write_manifest",
]
