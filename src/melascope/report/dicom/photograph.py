"""A photograph as VL Photographic Image: its pixels without loss, its place, and nothing of the camera."""

from __future__ import annotations

import struct
from typing import Final

from PIL import ImageCms
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code as Coded
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, VLPhotographicImageStorage

from melascope.report.codes import LATERALITY
from melascope.report.dicom.files import Pixels
from melascope.report.dicom.shared import MANUFACTURER, MODEL, VERSION, patient, uid
from melascope.report.statement import PhotoStatement, Statement
from melascope.vocabulary import DISCLAIMER, Region

__all__ = ["photograph"]

_LOST: Final = {"JPEG": "ISO_10918_1", "HEIF": "ISO_23008_2", "WebP": "WEBP"}
"""Formats that lose, and what DICOM calls their way of it; WebP has no name there."""
_FACE: Final = Coded("89545001", "SCT", "Face")
_SIDES: Final = {
    "left": ("L", LATERALITY[Region.LEFT_MALAR]),
    "right": ("R", LATERALITY[Region.RIGHT_MALAR]),
}


def photograph(statement: Statement, photo: PhotoStatement, pixels: Pixels, number: int) -> Dataset:
    """The data set of one photograph, JPEG-LS without loss.

    Args:
        statement: What it belongs to.
        photo: The photograph.
        pixels: What it shows.
        number: From 1, within the visit.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = VLPhotographicImageStorage
    dataset.SOPInstanceUID = uid("photograph", statement.key, photo.key)
    _whom(dataset, statement)
    dataset.Modality = "XC"
    dataset.SeriesInstanceUID = uid("photographs", statement.key)
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = "Photographs"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MODEL
    dataset.SoftwareVersions = VERSION
    dataset.InstanceNumber = number
    if dataset.StudyDate:  # not when something was last said of it; an hour that is unknown may not stand there empty
        dataset.ContentDate = dataset.StudyDate
    dataset.PatientOrientation = ["L", "F"] if photo.view == "frontal" else ""
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.ImageComments = f"View: {photo.view or 'not told'}. {DISCLAIMER}"
    dataset.RecognizableVisualFeatures = "YES"
    dataset.AcquisitionContextSequence = []
    _place(dataset, photo)
    _pixels(dataset, pixels)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    dataset["PixelData"].VR = "OB"
    return dataset


def _whom(dataset: Dataset, statement: Statement) -> None:
    dataset.PatientID, dataset.PatientName = patient(statement)
    if statement.subject is not None:  # P-0001 is somebody else in another study
        dataset.IssuerOfPatientID = statement.subject.system.removeprefix("https://")[-64:]
    dataset.PatientBirthDate = dataset.PatientSex = ""
    # Nobody looked for writing in the picture: that the identity is removed from it, too, cannot be said.
    dataset.DeidentificationMethod = "Metadata only: code for the name, nothing of the file taken over"
    dataset.StudyInstanceUID = uid("study", statement.key)
    dataset.StudyDate = "" if statement.day is None else statement.day.strftime("%Y%m%d")
    dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyID = statement.key[:16]
    dataset.StudyDescription = "Photographs of facial pigment"


def _place(dataset: Dataset, photo: PhotoStatement) -> None:
    region = _coded(_FACE)
    if photo.view in _SIDES:
        dataset.ImageLaterality, side = _SIDES[photo.view]
        region.AnatomicRegionModifierSequence = [_coded(Coded(side.code, "SCT", side.display))]
    else:
        dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = [region]


def _coded(code: Coded) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _srgb() -> bytes:
    """The profile of sRGB; the moment of its making, which its header holds, is the same each time."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + made[36:]


def _pixels(dataset: Dataset, pixels: Pixels) -> None:
    height, width = pixels.rgb.shape[:2]
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = height, width
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.ICCProfile = _srgb()
    dataset.ColorSpace = "SRGB"
    if pixels.format in _LOST:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionMethod = _LOST[pixels.format]
        dataset.LossyImageCompressionRatio = f"{max(1.0, pixels.rgb.size / max(1, pixels.file_bytes)):.2f}"
    else:
        dataset.LossyImageCompression = "00"
    data = pixels.rgb.tobytes()
    dataset.PixelData = data + b"\x00" * (len(data) % 2)
    dataset["PixelData"].VR = "OB"
