"""What a lesion is before it is grown: its parameters, and what growing it yields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melascope.vocabulary import Lesion

__all__ = ["Grown", "LesionParameters", "Place"]


class Place(NamedTuple):
    """A soft ellipse on the face, tied to a landmark of the chart, in which a lesion likes to grow.

    A landmark without a side and an offset away from the midline stands on the patient's left for positive `out_mm`.
    """

    landmark: str
    """Name in `Chart.landmarks`."""
    out_mm: float
    """Offset away from the midline of the face."""
    down_mm: float
    along_mm: float
    """Half axis across the face, before it is turned."""
    across_mm: float
    turn_deg: float
    """How far the outer end of the ellipse is turned down."""
    weight: float


@dataclass(frozen=True)
class LesionParameters:
    """Everything that a lesion is grown from: plain numbers, so that it can be saved and grown again.

    Raises:
        ValueError: A number lies outside of its range.
    """

    kind: Lesion
    pattern: str
    severity: float
    """0 to 1, at the first visit."""
    density: float
    """Optical density in linear red where the lesion is darkest, 0 to 0.4."""
    depth: float
    """Share of the pigment that lies in the dermis: 0 epidermal, 1 dermal."""
    size_mm: float
    """Typical diameter of a spot, of the field, or (melasma) of the larger irregularities of a patch."""
    size_spread: float
    """Standard deviation of the logarithm of the diameters."""
    size_range_mm: tuple[float, float]
    count: int
    """Number of spots; 0 where the lesion is a field."""
    edge_mm: float
    """Width over which the pigment rises at the edge."""
    roughness: float
    """0 smooth outline, 1 very irregular."""
    evenness: float
    """0 mottled, 1 one even colour."""
    places: tuple[Place, ...]
    shares: tuple[tuple[str, float], ...]
    """Melasma: the involved share of the open skin of a region, by the region's key."""
    seed: int
    shrink: float = 0.0
    """How far the edge has drawn back since the first visit; below 0 it has spread."""
    months: float = 0.0
    """Time since the first visit."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("severity", 0.0, 1.0),
            ("density", 0.0, 0.4),
            ("depth", 0.0, 1.0),
            ("roughness", 0.0, 1.0),
            ("evenness", 0.0, 1.0),
            ("shrink", -1.0, 1.0),
            ("count", 0, 60000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}: must lie between {low:g} and {high:g}; sample or set it anew")
        if not (self.size_mm > 0 and self.edge_mm > 0 and 0 < self.size_range_mm[0] <= self.size_range_mm[1]):
            raise ValueError(
                f"size {self.size_mm} mm in {self.size_range_mm}, edge {self.edge_mm} mm: lengths must be positive"
            )

    def record(self) -> dict[str, Any]:
        """As plain JSON-serialisable values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Grown:
    """A lesion on the chart. All maps are (side, side).

    The optical density that it adds in linear red is `parameters.density * body`.
    """

    cover: NDArray[np.float32]
    """0 to 1; 0.5 is the lesion's edge."""
    body: NDArray[np.float32]
    """Relative amount of pigment: about 1 where it is darkest, 0 off the lesion."""
    dermal_share: float | NDArray[np.float32]
    """Share of the pigment that lies in the dermis."""
    instances: NDArray[np.uint16]
    """0 none, 1.. single lesions; not 0 exactly where `cover` reaches 0.5."""
