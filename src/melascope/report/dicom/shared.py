"""What all our DICOM data sets have in common: identifiers, the patient, codes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final
from uuid import UUID, uuid5

from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.uid import UID

from melascope.report.codes import CONCEPTS, DESIGNATOR, Code
from melascope.report.statement import PhotoStatement, Statement

__all__ = [
    "MANUFACTURER",
    "MODEL",
    "VERSION",
    "algorithm_version",
    "networks",
    "ours",
    "patient",
    "person_name",
    "procedure",
    "snomed",
    "stamp",
    "uid",
    "unit",
]

MANUFACTURER: Final = "The Melascope developers"
MODEL: Final = "Melascope"
VERSION: Final = version("melascope")
_SIGNS: Final = 12
"""Of a network's version."""
_LONGEST: Final = 64
"""Signs of a text of the kind LO."""
_NAMESPACE: Final = UUID("3f0c7a52-95f4-5d0b-8d39-0c2f7d5b6a10")
_PHOTOGRAPHY: Final = CodedConcept("197157006", "SCT", "Photography of patient")
_MEANINGS: Final = {"{score}": "score", "%": "percent", "deg": "degree", "{od}": "optical density", "1": "no units"}


def uid(*names: str) -> UID:
    """The identifier that follows from names: the same thing has the same one in every export."""
    return UID(f"2.25.{uuid5(_NAMESPACE, ' '.join(names)).int}")


def stamp(dataset: Dataset, moment: datetime) -> None:
    """Say when the content was made, in UTC: the same data set has the same time in every export."""
    there = moment.astimezone(UTC)
    dataset.ContentDate = dataset.InstanceCreationDate = there.strftime("%Y%m%d")
    dataset.ContentTime = dataset.InstanceCreationTime = there.strftime("%H%M%S")
    for item in dataset.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = there.strftime("%Y%m%d%H%M%S+0000")
    dataset.TimezoneOffsetFromUTC = "+0000"


def patient(statement: Statement) -> tuple[str, str]:
    """Identifier and name: the code in both places, and for a photograph on its own what tells it from others."""
    code = statement.key[:16] if statement.subject is None else statement.subject.code
    return code, person_name(code)


def person_name(name: str) -> str:
    """A name in one part: DICOM's signs that divide names are taken out, and one says that there is no other part."""
    return "".join(" " if sign in "^=\\" else sign for sign in name).strip()[:63] + "^"


def snomed(code: Code) -> CodedConcept:
    """A concept of SNOMED CT."""
    return CodedConcept(code.code, "SCT", code.display)


def ours(code: Code) -> CodedConcept:
    """A concept of our own."""
    return CodedConcept(code.code, DESIGNATOR, code.display)


def unit(name: str) -> CodedConcept:
    """The unit (UCUM) of a value of ours."""
    sign = CONCEPTS[name].unit
    return CodedConcept(sign, "UCUM", _MEANINGS.get(sign, sign.strip("{}")))


def procedure() -> CodedConcept:
    """Photography of the patient."""
    return _PHOTOGRAPHY


def networks(photo: PhotoStatement) -> list[str]:
    """Versions of the networks, by their names' order."""
    return [version for name, version in sorted(photo.record.versions.items()) if name.endswith("network")]


def algorithm_version(photo: PhotoStatement) -> str:
    """Versions of the package and of the networks, these by their first signs: DICOM takes 64 signs in all."""
    package = photo.record.versions.get("melascope", VERSION)
    return " ".join((package, *(version[:_SIGNS] for version in networks(photo))))[:_LONGEST]
