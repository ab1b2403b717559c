"""A statement as one FHIR Bundle (R4 or R5): a DiagnosticReport, its Observations, and what they refer to.

The resources are plain dictionaries: no package for FHIR is needed. Every resource has an identifier of ours from which
its address in the bundle follows, so that the same results make the same bundle again, and a system that takes the
bundle a second time can change what it has.

Intervals are components (`…-low`, `…-high`), since neither a reference range nor an extension says the same: a
reference range would tell what is normal, and extensions are dropped by systems that do not know them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import quote
from uuid import UUID, uuid5

from melascope.record import RegionScore
from melascope.report.codes import (
    CONCEPTS,
    FACE_SKIN,
    ICD10,
    ICD10_KINDS,
    KINDS,
    LOINC_PHOTOGRAPH,
    OURS,
    PLACES,
    SEVERITIES,
    SNOMED,
    SNOMED_KINDS,
    SNOMED_PLACES,
    SNOMED_SEVERITIES,
    UCUM,
    VERDICTS,
    Code,
)
from melascope.report.statement import Named, Person, PhotoStatement, Statement
from melascope.report.values import lesion_values, rated_values, reading_values, region_values, tone_values
from melascope.report.words import kind_words, listed, one_decimal, region_name, span
from melascope.vocabulary import MASI_REGIONS, Lesion, Region, Severity, View

__all__ = ["RELEASES", "Release", "bundle", "conclusion", "release_of"]

Release = Literal["r4", "r5"]
RELEASES: Final[tuple[Release, ...]] = ("r4", "r5")
Resource = dict[str, Any]
LOINC: Final = "http://loinc.org"
_SID: Final = "https://melascope.org/fhir/sid/result"
_PEOPLE: Final = "https://melascope.org/fhir/sid/account"
_NAMESPACE: Final = UUID("8d6f2a34-6f0b-5c0e-9b7e-5f0f4c1d2a11")
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_FOUND_ONCE: Final = frozenset({"Patient", "Practitioner"})


def bundle(
    statement: Statement,
    release: Release = "r4",
    *,
    photographs: bool = False,
    kind: Literal["collection", "transaction"] = "collection",
) -> Resource:
    """One Bundle of everything that a statement says.

    Args:
        statement: A visit, or one photograph.
        release: ``r4`` (Media for photographs) or ``r5`` (DocumentReference).
        photographs: Put pictures in, where the statement holds them.
        kind: ``collection`` is a file to keep or to read. ``transaction`` can be posted to a FHIR server: a patient or
            a person is made only if there is none with this identifier, everything else is made or replaced.

    Example:
        >>> from datetime import UTC, datetime
        >>> bundle(Statement("empty", datetime(2026, 1, 5, tzinfo=UTC), ()))["resourceType"]
        'Bundle'
    """
    return _Builder(statement, release, photographs).bundle(kind)


def release_of(made: Resource) -> Release:
    """The release of FHIR in which a bundle of ours is written.

    Example:
        >>> release_of({"entry": [{"resource": {"resourceType": "Device", "deviceName": [{"name": "Melascope"}]}}]})
        'r4'
    """
    return "r4" if any("deviceName" in entry["resource"] for entry in made["entry"]) else "r5"


def conclusion(statement: Statement) -> str:
    """What a reader must know first, in plain sentences; the last one says what it may not be used for."""
    said = []
    main = statement.main
    if main is not None and main.masi is not None and main.severity is not None:
        totals = main.record.masi
        if main.rated:
            names = listed([region_name(region.key).lower() for region in MASI_REGIONS if region in main.rated])
            people = listed(sorted({rated.by.name for rated in main.rated.values()}))
            said.append(f"MASI {one_decimal(main.masi)} of 48, {main.severity.value}; {names} scored by {people}.")
        elif totals is not None and totals.masi_low is not None:
            interval = span(totals.masi_low, totals.masi_high)
            said.append(f"MASI {one_decimal(main.masi)} of 48 (90 % interval {interval}), {main.severity.value}.")
        if main.mmasi is not None:
            said.append(f"mMASI {one_decimal(main.mmasi)} of 24.")
    else:
        said.append("No MASI is given.")
        for photo in statement.photos:
            missing = photo.record.masi.missing if photo.record.masi else ()
            if missing and photo.record.view is View.FACE:
                said.append(f"Not visible: {listed([region_name(name).lower() for name in missing])}.")
    for photo in statement.photos:
        refusals = [finding.advice for finding in photo.record.quality.findings if finding.effect == "refused"]
        said += [f"A photograph was refused. {advice}" for advice in refusals]
    said += [statement.photos[0].record.disclaimer] if statement.photos else []
    return " ".join(said)


class _Builder:
    """One bundle in the making."""

    def __init__(self, statement: Statement, release: Release, photographs: bool) -> None:
        self.statement, self.release, self.photographs = statement, release, photographs
        self.entries: dict[str, Resource] = {}

    def bundle(self, kind: Literal["collection", "transaction"]) -> Resource:
        statement = self.statement
        report = self._report()
        entries: list[Resource] = [{"fullUrl": url, "resource": resource} for url, resource in self.entries.items()]
        entries.sort(key=lambda entry: entry["fullUrl"] != report)
        if kind == "transaction":
            for entry in entries:
                entry["request"] = _request(entry["resource"])
        return {
            "resourceType": "Bundle",
            "identifier": {"system": _SID, "value": statement.key},
            "type": kind,
            "timestamp": _instant(statement),
            "entry": entries,
        }

    # ------------------------------------------------------------ parts

    def _add(self, resource: Resource, value: str, system: str = _SID) -> Resource:
        """Keep a resource under an identifier; returns a reference to it."""
        kind = resource["resourceType"]
        url = f"urn:uuid:{uuid5(_NAMESPACE, f'{kind} {system} {value}')}"
        head = {"resourceType": kind, "identifier": [{"system": system, "value": value}]}
        self.entries.setdefault(url, {**head, **resource})
        return {"reference": url}

    def _report(self) -> str:
        statement = self.statement
        panels = [self._photo(photo) for photo in statement.photos]
        refused = bool(statement.photos) and not any(photo.record.quality.usable for photo in statement.photos)
        people = [self._person(person) for person, _ in statement.signed]
        resource = {
            "resourceType": "DiagnosticReport",
            "status": "cancelled" if refused else statement.status,
            "category": [_concept("http://terminology.hl7.org/CodeSystem/v2-0074", Code("IMG", "Diagnostic Imaging"))],
            "code": _ours(CONCEPTS["visit-report"]),
            **self._about(),
            "issued": _instant(statement),
            "result": panels,
            "conclusion": conclusion(statement),
        }
        if people:
            resource |= {"performer": people, "resultsInterpreter": people}
        media = [{"link": link} for photo in statement.photos if (link := self._picture(photo)) is not None]
        if media:
            resource["media"] = media
        return str(self._add(_without_empty(resource), statement.key)["reference"])

    def _about(self) -> Resource:
        """Whom and which day it concerns."""
        about: Resource = {}
        subject, day = self.statement.subject, self.statement.day
        if subject is not None:
            about["subject"] = self._add({"resourceType": "Patient"}, subject.code, subject.system)
        if day is not None:
            about["effectiveDateTime"] = day.isoformat()
        return about

    def _person(self, person: Person) -> Resource:
        return self._add({"resourceType": "Practitioner", "name": [{"text": person.name}]}, person.key, _PEOPLE)

    def _device(self, photo: PhotoStatement) -> Resource:
        versions = photo.record.versions
        named = [("Melascope", versions.get("melascope", "unknown"))]
        named += [(name, version) for name, version in versions.items() if name.endswith("network")]
        type_ = {"text": "Software that measures facial pigment in photographs. Not a medical device."}
        resource: Resource = {
            "resourceType": "Device",
            "manufacturer": "The Melascope developers",
            "version": [{"type": {"text": name}, "value": version} for name, version in named],
        }
        if self.release == "r4":
            resource |= {"deviceName": [{"name": "Melascope", "type": "model-name"}], "type": type_}
        else:
            resource |= {"name": [{"value": "Melascope", "type": "user-friendly-name", "display": True}]}
            resource |= {"type": [type_]}
        return self._add(resource, "melascope " + " ".join(version for _, version in named))

    def _picture(self, photo: PhotoStatement) -> Resource | None:
        image = photo.image
        if not self.photographs or image is None:
            return None
        attachment: Resource = {
            "contentType": "image/jpeg",
            "data": base64.b64encode(image.data).decode("ascii"),
            "size": len(image.data) if self.release == "r4" else str(len(image.data)),  # integer64 is text in JSON
            "hash": base64.b64encode(hashlib.sha1(image.data, usedforsecurity=False).digest()).decode("ascii"),
            "title": f"Photograph, {photo.view or 'view not told'}",
        }
        size, kind = {"height": image.height, "width": image.width}, _concept(LOINC, LOINC_PHOTOGRAPH)
        about = self._about()
        day = about.pop("effectiveDateTime", None)
        if self.release == "r4":
            resource: Resource = {
                "resourceType": "Media",
                "status": "completed",
                "type": _concept("http://terminology.hl7.org/CodeSystem/media-type", Code("image", "Image")),
                "modality": kind,
                "view": {"text": photo.view},
                **about,
                "createdDateTime": day,
                "issued": _instant(self.statement),
                "bodySite": _concept(SNOMED, FACE_SKIN),
                **size,
                "content": attachment,
            }
            if not photo.view:
                del resource["view"]
        else:
            resource = {
                "resourceType": "DocumentReference",
                "status": "current",
                "type": kind,
                **about,
                "date": _instant(self.statement),
                "bodySite": [{"concept": _concept(SNOMED, FACE_SKIN)}],
                "content": [{"attachment": {**attachment, **size, "creation": day}}],
            }
            if day is None:
                del resource["content"][0]["attachment"]["creation"]
        return self._add(_without_empty(resource), f"{photo.key}/photograph")

    # ------------------------------------------------------------ observations

    def _observe(self, photo: PhotoStatement, name: str, code: Code, /, **more: Any) -> Resource:
        """An observation on a photograph; measured by software unless `by` names people."""
        by: Sequence[Person] = more.pop("by", ())
        at = more.pop("at", None)
        resource = {
            "resourceType": "Observation",
            "status": self.statement.status,
            "category": [
                _concept("http://terminology.hl7.org/CodeSystem/observation-category", Code("imaging", "Imaging"))
            ],
            "code": _ours(code),
            **self._about(),
            "issued": _instant(self.statement) if at is None else at.isoformat(timespec="seconds"),
            "method": _ours(CONCEPTS["rated" if by else "measured"]),
            **more,
        }
        if by:
            resource["performer"] = [self._person(person) for person in by]
        else:
            resource["device"] = self._device(photo)
        picture = self._picture(photo)
        if picture is not None:
            resource["derivedFrom"] = [*resource.get("derivedFrom", []), picture]
        return self._add(_without_empty(resource), f"{photo.key}/{name}")

    def _photo(self, photo: PhotoStatement) -> Resource:
        """The panel of one photograph."""
        record = photo.record
        members = [self._quality(photo)]
        if record.regions is not None:
            regions = [self._region(photo, region) for region in MASI_REGIONS]
            members += [*self._totals(photo, regions), *regions]
        if record.skin_in_view is not None:
            parts = _region_parts(record.skin_in_view)
            site = _concept(SNOMED, FACE_SKIN)
            members.append(
                self._observe(photo, "skin-in-view", CONCEPTS["skin-in-view"], bodySite=site, component=parts)
            )
        members += [*self._tone(photo), *self._reading(photo)]
        members += [self._lesion(photo, lesion) for lesion in photo.lesions]
        return self._observe(
            photo,
            "photo",
            CONCEPTS["photo"],
            valueString=photo.view or record.view.value,
            bodySite=_concept(SNOMED, FACE_SKIN),
            hasMember=members,
        )

    def _quality(self, photo: PhotoStatement) -> Resource:
        quality = photo.record.quality
        return self._observe(
            photo,
            "image-quality",
            CONCEPTS["image-quality"],
            valueCodeableConcept=_ours(VERDICTS[quality.verdict]),
            note=[{"text": finding.advice} for finding in quality.findings],
        )

    def _totals(self, photo: PhotoStatement, regions: Sequence[Resource]) -> list[Resource]:
        totals = photo.record.masi
        face = {"bodySite": _concept(SNOMED, FACE_SKIN), "derivedFrom": list(regions)}
        who = {"by": photo.raters}  # and no time of its own: a score that was taken back changes a total too
        found = []
        for name, value in (("masi", photo.masi), ("mmasi", photo.mmasi)):
            if value is None:
                absent = self._absent(photo)
                found.append(self._observe(photo, name, CONCEPTS[name], dataAbsentReason=absent, **face))
                continue
            measured = None if totals is None else (totals.masi if name == "masi" else totals.mmasi)
            if photo.rated:
                parts = _parts([(f"{name}-measured", measured)])
            else:
                low, high = (None if totals is None else getattr(totals, f"{name}_{end}") for end in ("low", "high"))
                parts = _parts([(f"{name}-low", low), (f"{name}-high", high)])
            found.append(
                self._observe(
                    photo, name, CONCEPTS[name], valueQuantity=_quantity(name, value), component=parts, **face, **who
                )
            )
        if photo.severity is not None:
            band = _severity(photo.severity)
            found.append(self._observe(photo, "severity", CONCEPTS["severity"], valueCodeableConcept=band, **who))
        return found

    def _absent(self, photo: PhotoStatement) -> Resource:
        if photo.record.view is View.CLOSE_UP:
            return _absent("not-applicable", "Not applicable", "A close-up gives no total.")
        missing = photo.record.masi.missing if photo.record.masi else ()
        names = listed([region_name(name).lower() for name in missing])
        return _absent("not-performed", "Not performed", f"Not scored: {names}." if names else "No total was measured.")

    def _region(self, photo: PhotoStatement, region: Region) -> Resource:
        assert photo.record.regions is not None
        score: RegionScore = getattr(photo.record.regions, region.key)
        rated = photo.rated.get(region)
        site, name = _place(region), f"region-{region.key}"
        parts = _region_parts(score)
        absent = _absent("not-performed", "Not performed", "Too little of the region is visible.")
        said: Resource = {"component": parts} if score.visible and parts else {"dataAbsentReason": absent}
        if rated is None:
            return self._observe(photo, name, CONCEPTS["region"], bodySite=site, **said)
        measured = self._observe(photo, f"{name}-measured", CONCEPTS["region-measured"], bodySite=site, **said)
        return self._observe(
            photo,
            name,
            CONCEPTS["region"],
            bodySite=site,
            component=_parts(rated_values(rated)),
            derivedFrom=[measured],
            by=(rated.by,),
            at=rated.at,
        )

    def _tone(self, photo: PhotoStatement) -> list[Resource]:
        tone = photo.record.skin_tone
        if tone is None:
            return []
        parts = _parts(tone_values(tone)[1:])
        value, site = _quantity("skin-tone", tone.ita_deg), _concept(SNOMED, FACE_SKIN)
        return [
            self._observe(
                photo, "skin-tone", CONCEPTS["skin-tone"], valueQuantity=value, bodySite=site, component=parts
            )
        ]

    def _reading(self, photo: PhotoStatement) -> list[Resource]:
        read = photo.record.severity_reading
        if read is None:
            return []
        parts = _parts(reading_values(read))
        value = _severity(read.severity)
        code = CONCEPTS["network-reading"]
        return [self._observe(photo, "network-reading", code, valueCodeableConcept=value, component=parts)]

    def _lesion(self, photo: PhotoStatement, lesion: Named) -> Resource:
        measured = lesion.measured
        x0, y0, x1, y1 = lesion.box
        rows = lesion_values(lesion)
        parts: list[Resource] = []
        site = _concept(SNOMED, FACE_SKIN)
        if measured is not None:
            site = _place(Region[measured.region.upper()]) if measured.region.upper() in Region.__members__ else site
            if lesion.by is not None and measured.kind is not None:
                code = _ours(CONCEPTS["kind-measured"])
                parts.append({"code": code, "valueCodeableConcept": _kind(measured.kind)})
        rows += [("box-left", x0), ("box-top", y0), ("box-right", x1), ("box-bottom", y1)]
        said: Resource = {"valueCodeableConcept": _kind(lesion.kind)} if lesion.kind is not None else {}
        if not said:
            said["dataAbsentReason"] = _absent("unknown", "Unknown", _unnamed(lesion))
        return self._observe(
            photo,
            lesion.key,
            CONCEPTS["lesion"],
            bodySite=site,
            component=parts + _parts(rows),
            by=() if lesion.by is None else (lesion.by,),
            at=lesion.at,
            **said,
        )


# ---------------------------------------------------------------- data types


def _request(resource: Resource) -> Resource:
    """How a server takes a resource: what is known by its identifier is not made twice."""
    kind, identifier = resource["resourceType"], resource["identifier"][0]
    search = f"identifier={identifier['system']}|{quote(identifier['value'], safe='/')}"  # codes may hold spaces
    if kind in _FOUND_ONCE:
        return {"method": "POST", "url": kind, "ifNoneExist": search}
    return {"method": "PUT", "url": f"{kind}?{search}"}


def _instant(statement: Statement) -> str:
    return statement.made.isoformat(timespec="seconds")


def _without_empty(resource: Resource) -> Resource:
    """FHIR knows no empty lists and no nulls."""
    return {key: value for key, value in resource.items() if value not in (None, [], {})}


def _coding(system: str, code: Code) -> Resource:
    return {"system": system, "code": code.code, "display": code.display}


def _concept(system: str, code: Code) -> Resource:
    return {"coding": [_coding(system, code)], "text": code.display}


def _ours(code: Code) -> Resource:
    return _concept(OURS, code)


def _severity(band: Severity) -> Resource:
    own = SEVERITIES[band]
    return {"coding": [_coding(OURS, own), _coding(SNOMED, SNOMED_SEVERITIES[band])], "text": own.display}


def _unnamed(lesion: Named) -> str:
    """Why a patch has no kind."""
    measured = kind_words(lesion.measured) if lesion.measured is not None and lesion.by is None else ""
    return f"No kind was named; {measured}. Not a diagnosis." if measured else "No kind was named."


def _kind(kind: Lesion) -> Resource:
    codings = [_coding(OURS, KINDS[kind])]
    if kind in SNOMED_KINDS:
        codings.append(_coding(SNOMED, SNOMED_KINDS[kind]))
    if kind in ICD10_KINDS:
        codings.append(_coding(ICD10, ICD10_KINDS[kind]))
    return {"coding": codings, "text": f"Looks like: {KINDS[kind].display}. Not a diagnosis."}


def _place(region: Region) -> Resource:
    codings = [_coding(OURS, PLACES[region])]
    if region in SNOMED_PLACES:
        codings.insert(0, _coding(SNOMED, SNOMED_PLACES[region]))
    side = " (the patient's)" if region in (Region.RIGHT_MALAR, Region.LEFT_MALAR) else ""
    return {"coding": codings, "text": f"{PLACES[region].display}{side}"}


def _absent(code: str, display: str, text: str) -> Resource:
    return {**_concept(_ABSENT, Code(code, display)), "text": text}


def _quantity(name: str, value: float) -> Resource:
    unit = CONCEPTS[name].unit
    shown = value * 100 if unit == "%" else value
    return {"value": round(shown, 4), "unit": unit.strip("{}"), "system": UCUM, "code": unit}


def _parts(rows: Sequence[tuple[str, float | None]]) -> list[Resource]:
    """Components of the values that there are."""
    return [
        {"code": _ours(CONCEPTS[name]), "valueQuantity": _quantity(name, value)}
        for name, value in rows
        if value is not None
    ]


def _region_parts(score: RegionScore) -> list[Resource]:
    return _parts(region_values(score))
