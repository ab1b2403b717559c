"""The tables, typed. What a row means stands here; what may be done with it stands in the services.

Deleting a patient deletes everything below by foreign keys; users are never deleted, only disabled, and the audit log
knows identifiers only, so that it can outlive what it speaks of.
"""

from __future__ import annotations

from melascope.clinic.tables.course import Analysed, Correction, Job, Patient, Photo, Signature, Treatment, Visit
from melascope.clinic.tables.log import Audit, Idempotent, Removal
from melascope.clinic.tables.people import Attempts, Link, Member, SignIn, Study, Token, User
from melascope.clinic.tables.readings import Figures, Rater, ReadingStudy, Score, Showing
from melascope.clinic.tables.review import Review, ReviewBatch, ReviewPhoto
from melascope.clinic.tables.shape import Age, Base, JobState, MakeUp, Moment, PhotoView, Role, Sex, new_id, now

__all__ = [
    "Age",
    "Analysed",
    "Attempts",
    "Audit",
    "Base",
    "Correction",
    "Figures",
    "Idempotent",
    "Job",
    "JobState",
    "Link",
    "MakeUp",
    "Member",
    "Moment",
    "Patient",
    "Photo",
    "PhotoView",
    "Rater",
    "ReadingStudy",
    "Removal",
    "Review",
    "ReviewBatch",
    "ReviewPhoto",
    "Role",
    "Score",
    "Sex",
    "Showing",
    "SignIn",
    "Signature",
    "Study",
    "Token",
    "Treatment",
    "User",
    "Visit",
    "new_id",
    "now",
]
