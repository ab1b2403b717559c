"""Regions and excess pigment as a DICOM Segmentation over the photograph."""

from __future__ import annotations

from datetime import UTC
from typing import Final

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from melascope.report.codes import CONCEPTS, LATERALITY, SNOMED_PLACES
from melascope.report.dicom.files import Pixels
from melascope.report.dicom.shared import (
    MANUFACTURER,
    MODEL,
    VERSION,
    algorithm_version,
    networks,
    ours,
    snomed,
    stamp,
    uid,
)
from melascope.report.statement import PhotoStatement, Statement
from melascope.vocabulary import FACIAL_SKIN

__all__ = ["LESIONS", "segment_numbers", "segmentation"]

LESIONS: Final = "excess-pigment"
_DESCRIPTION: Final = "Regions, pigment. Research software, not a medical device."
"""Of at most 64 signs, so that the disclaimer stands in it shortened."""


def segmentation(
    statement: Statement, photo: PhotoStatement, pixels: Pixels, picture: Dataset, number: int
) -> Dataset | None:
    """The segmentation of one photograph; None where nothing was outlined.

    Segments: every region of facial skin that is in the photograph, then excess pigment, if there is any.
    """
    if pixels.regions is None or pixels.lesions is None:
        return None
    seen = [region for region in FACIAL_SKIN if bool((pixels.regions == region).any())]
    masks = [pixels.regions == region for region in seen]
    algorithm = AlgorithmIdentificationSequence(
        name=MODEL, family=standard.DCM.ArtificialIntelligence, version=algorithm_version(photo)
    )
    described = [
        SegmentDescription(
            segment_number=index,
            segment_label=region.label,
            segmented_property_category=standard.SCT.AnatomicalStructure,
            segmented_property_type=snomed(SNOMED_PLACES[region]),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=uid("segment", statement.key, photo.key, region.key),
            tracking_id=region.key,
        )
        for index, region in enumerate(seen, 1)
    ]
    for region, description in zip(seen, described, strict=True):
        if region in LATERALITY:
            kind = description.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = [snomed(LATERALITY[region])]
    if pixels.lesions.any():
        masks.append(pixels.lesions)
        described.append(
            SegmentDescription(
                segment_number=len(described) + 1,
                segment_label=CONCEPTS[LESIONS].display,
                segmented_property_category=standard.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=ours(CONCEPTS[LESIONS]),
                algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm,
                tracking_uid=uid("segment", statement.key, photo.key, LESIONS),
                tracking_id=LESIONS,
            )
        )
    if not masks:
        return None
    moment = photo.analysed or statement.made
    names = (
        statement.key,
        photo.key,
        VERSION,
        " ".join(networks(photo)),
        moment.astimezone(UTC).isoformat(timespec="seconds"),
    )
    made = Segmentation(
        source_images=[picture],
        pixel_array=np.stack(masks, axis=-1)[None],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=uid("segmentations", statement.key),
        series_number=2,
        sop_instance_uid=uid("segmentation", *names),
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=VERSION,
        device_serial_number="none",
        content_label="FACE_REGIONS",
        content_description=_DESCRIPTION,
        series_description="Regions and excess pigment",
    )
    made.PatientOrientation = picture.PatientOrientation
    stamp(made, moment)
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):  # drawn by chance
        item.DimensionOrganizationUID = uid("dimensions", *names)
    return made


def segment_numbers(dataset: Dataset) -> dict[str, int]:
    """Number of each segment by region key, or `LESIONS`."""
    return {str(item.TrackingID): int(item.SegmentNumber) for item in dataset.SegmentSequence}
