"""A statement as DICOM: the photographs, regions and patches over them, and the measurements.

Needs the packages pydicom and highdicom (``pip install 'melascope[dicom]'``), which the rest of the run time does not.
"""

from __future__ import annotations

from melascope.report.dicom.files import MISSING, Pixels, dicom_files, write_dicom

__all__ = ["MISSING", "Pixels", "dicom_files", "write_dicom"]
