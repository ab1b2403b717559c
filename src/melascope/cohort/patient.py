"""Who is photographed: casts of patients who share a head, their skins, lesions, visits and photographs.

Everything is drawn from what is asked for, its seed and a patient's number, never from the order of work, so that any
photograph can be made again by itself. A *cast* is a head with its hair and clothes; the patients of a cast differ in
skin, lesions, hair colour and camera. A cast belongs to one split: no head is in two of them.

Two cohorts of one seed hold the same people as far as they have kinds, tones and `cast_size` in common. With another
`cast_size` a patient's number falls to another head, with other kinds its lesions are others: of one seed and the same
tones the heads are left in common, by their number. With other tones it is those of one `ancestry_group`.

With `each_tone` a person is photographed once in each tone, as that many patients, who differ in nothing but the skin's
tone: its melanin, and what goes with that (`complexion.in_tone`; marks of acne are red on light skin and brown on dark,
make-up has the skin's colour). A difference between tones is the tone's. The people are those that a cohort without it
has, by number.

With `any_density` patients are those of a cohort without it, and their lesions, too, but for the density.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from melascope.cohort.camera import CameraParameters, sample_camera
from melascope.cohort.complexion import in_tone
from melascope.cohort.eyes import EyeParameters, sample_eyes
from melascope.cohort.growth import LesionParameters, at_any_density, progress, sample_lesion, sample_lesions
from melascope.cohort.hair import HairParameters, hair_colour, sample_hair
from melascope.cohort.head import HeadParameters, sample_head
from melascope.cohort.shot import VIEWS, Device, Shot, sample_shot
from melascope.cohort.skin import SkinParameters, sample_day, sample_skin
from melascope.cohort.worn import WornParameters, sample_worn
from melascope.vocabulary import MASI_REGIONS, Lesion, ToneBand

__all__ = [
    "TWINS",
    "Cast",
    "Cohort",
    "Patient",
    "PhotoPlan",
    "Visit",
    "ancestry_group",
    "photo_plans",
    "sample_cast",
    "sample_patient",
    "visits_of",
]

TWINS: Final = 2
"""Raised by hand whenever a person in another tone comes to be another one. Of 1, they kept the unevenness of their
own."""
_LIMITS: Final = {
    ToneBand.VERY_LIGHT: (55.0, 62.0),
    ToneBand.LIGHT: (41.0, 55.0),
    ToneBand.INTERMEDIATE: (28.0, 41.0),
    ToneBand.TAN: (10.0, 28.0),
    ToneBand.BROWN: (-30.0, 10.0),
    ToneBand.DARK: (-60.0, -30.0),
}
"""Degrees of ITA from which a patient's tone is drawn."""
_BANDS: Final = tuple(_LIMITS)
_QUOTAS: Final = ((4, 4, 2, 0, 0, 0), (1, 1, 3, 3, 1, 1), (0, 0, 0, 2, 4, 4))
"""Patients of each tone band among ten of mostly European, Asian and African ancestry: together, each band alike."""
_ANCESTRIES: Final = ((0.0, 0.1, 0.9), (0.1, 0.8, 0.1), (0.9, 0.05, 0.05))
"""Mean shares of African, Asian and European ancestry of the three groups."""
_MALE: Final = {"female": 0.0, "male": 1.0}
_MONTHS: Final = 3.0
"""Between two visits."""


@dataclass(frozen=True)
class Cohort:
    """What is asked for: with the version of the program, all that a cohort depends on.

    Raises:
        ValueError: A number is out of its range, or a kind, tone or view is unknown.
    """

    patients: int
    seed: int = 0
    visits: int = 1
    photos: int = 2
    size_px: int = 768
    kinds: tuple[str, ...] = ()
    """Abbreviations of lesion kinds: patients get them in turn, one each. Empty: kinds as they occur, and healthy."""
    per_head: int = 0
    """Patients that share a head; 0: a twelfth of the people, 1 to 10."""
    tones: tuple[str, ...] = ()
    """Tone bands that occur, heads of fitting ancestry with them. Empty: all six, each alike."""
    views: tuple[str, ...] = ()
    """Views that occur. Empty: as patients are photographed, from the front first."""
    each_tone: bool = False
    """Whether each person is there once in each of the tones, as that many patients in a row."""
    any_density: bool = False
    """Whether densities are drawn whatever the extent (`growth.at_any_density`): broad melasma may be faint."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("patients", 1, 100_000),
            ("seed", 0, 2**31 - 1),
            ("visits", 1, 24),
            ("photos", 1, 8),
            ("size_px", 192, 2048),
            ("per_head", 0, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}: must lie between {low} and {high}")
        if self.size_px % 2:
            raise ValueError(f"size_px = {self.size_px}: must be even")
        for kind in self.kinds:
            if kind not in tuple(Lesion):
                raise ValueError(f"kind {kind!r} is unknown: choose from {', '.join(Lesion)}")
        for tone in self.tones:
            if tone not in tuple(ToneBand):
                raise ValueError(f"tone {tone!r} is unknown: choose from {', '.join(ToneBand)}")
        for view in self.views:
            if view not in VIEWS:
                raise ValueError(f"view {view!r} is unknown: choose from {', '.join(VIEWS)}")
        for name in ("patients", "per_head"):
            if getattr(self, name) % len(self.twins):
                raise ValueError(
                    f"{name} = {getattr(self, name)}: each person is {len(self.twins)} patients, one in each tone; "
                    f"give a multiple of {len(self.twins)}"
                )

    @property
    def twins(self) -> tuple[ToneBand | None, ...]:
        """Tones in which a person is there, from light to dark; (None,): once, in a tone of their own."""
        if not self.each_tone:
            return (None,)
        return tuple(band for band in ToneBand if not self.tones or band in self.tones)

    @property
    def cast_size(self) -> int:
        """Patients that share a head; those of one person do."""
        persons = int(np.clip(self.patients // len(self.twins) // 12, 1, 10))
        return self.per_head or persons * len(self.twins)

    @property
    def casts(self) -> int:
        """Heads in the cohort."""
        return -(-self.patients // self.cast_size)

    def members(self, cast: int) -> range:
        """Numbers of the patients of a cast."""
        return range(cast * self.cast_size, min(self.patients, (cast + 1) * self.cast_size))


@dataclass(frozen=True)
class Cast:
    """A head as it comes to be photographed, shared by a few patients."""

    number: int
    sex: str
    age_years: float
    ancestry: tuple[float, float, float]
    """Shares of African, Asian and European ancestry."""
    head: HeadParameters
    hair: HairParameters
    eyes: EyeParameters
    worn: WornParameters


@dataclass(frozen=True)
class Visit:
    """One day in a patient's course."""

    number: int
    """From 1."""
    months: float
    """Since the first visit."""
    response: float
    """1: as strongly as treatment works; 0: as at first; below 0: worse (see `growth.progress`)."""
    skin: SkinParameters
    """Of the day: other papules, other make-up, a little more or less flushed."""
    lesions: tuple[LesionParameters, ...]


@dataclass(frozen=True)
class Patient:
    """A person who does not exist. Skin and lesions are those of the first visit."""

    name: str
    number: int
    cast: int
    sex: str
    age_years: float
    band: ToneBand
    """From which the tone was drawn; the skin that came of it may lie just beyond its border."""
    ita_deg: float
    """As wished; the truth is what the skin's reflectance has."""
    skin: SkinParameters
    lesions: tuple[LesionParameters, ...]
    hair_rgb: tuple[float, float, float]
    """Linear reflectance of the hair."""
    course: str
    """`improving`, `stable`, `relapsing` or `worsening`."""
    response: float
    """How strongly the course runs, 0 to 1."""


@dataclass(frozen=True)
class PhotoPlan:
    """A photograph before it is taken."""

    name: str
    slot: int
    shot: Shot
    camera: CameraParameters


def sample_cast(cohort: Cohort, number: int) -> Cast:
    """Draws the cast of a number, from 0."""
    rng = np.random.default_rng((cohort.seed, 1, number))
    share = np.array(_ANCESTRIES[ancestry_group(cohort.tones, number)]) * 12 + 0.3
    african, asian, european = (float(x) for x in rng.dirichlet(share))
    ancestry = african, asian, european
    sex = "female" if rng.random() < 0.75 else "male"
    age = float(np.clip(rng.normal(44, 14), 19, 82))
    head = sample_head(rng, sex=_MALE[sex], age_years=age, ancestry=ancestry)
    hair = sample_hair(rng, sex=sex, age_years=age, ancestry=ancestry)
    eyes = sample_eyes(rng, age_years=age, ancestry=ancestry)
    return Cast(number, sex, age, ancestry, head, hair, eyes, sample_worn(rng, sex, age))


def sample_patient(cohort: Cohort, number: int) -> Patient:
    """Draws the patient of a number, from 0."""
    if not 0 <= number < cohort.patients:
        raise ValueError(f"patient {number}: the cohort has patients 0 to {cohort.patients - 1}")
    cast = sample_cast(cohort, number // cohort.cast_size)
    person, twin = divmod(number, len(cohort.twins))
    rng = np.random.default_rng((cohort.seed, 2, person))
    band, ita = _own_tone(cohort, person, rng)
    age = float(np.clip(cast.age_years + rng.uniform(-3, 3), 18, 85))
    skin = sample_skin(rng, age_years=age, sex=cast.sex, ita_deg=ita)
    if cohort.kinds:
        turn = person + person // len(cohort.kinds)  # so that kinds and tone bands do not keep step
        kind = Lesion(cohort.kinds[turn % len(cohort.kinds)])
        lesions: tuple[LesionParameters, ...] = (sample_lesion(rng, kind),)
    else:
        lesions = sample_lesions(rng, age_years=age, sex=_MALE[cast.sex], tone_band=band)
    if cohort.any_density:
        pale = np.random.default_rng((cohort.seed, 8, person))
        lesions = tuple(at_any_density(one, pale) for one in lesions)
    course = str(rng.choice(["improving", "stable", "relapsing", "worsening"], p=[0.5, 0.15, 0.25, 0.1]))
    response = float(rng.beta(3.0, 2.0))
    hair = hair_colour(rng, age_years=age, ancestry=cast.ancestry)
    other = cohort.twins[twin]  # whoever changes what follows raises TWINS
    if other and other != band:
        (low, high), (its_low, its_high) = _LIMITS[band], _LIMITS[other]
        band, ita = other, its_low + (ita - low) / (high - low) * (its_high - its_low)
        skin = in_tone(skin, ita)
    return Patient(
        f"p{number:05d}", number, cast.number, cast.sex, age, band, ita, skin, lesions, hair, course, response
    )


def visits_of(cohort: Cohort, patient: Patient) -> Iterator[Visit]:
    """The patient's visits: melasma runs its course, and skin has its days."""
    last = max(1, cohort.visits - 1)
    for index in range(cohort.visits):
        months, way = _MONTHS * index, index / last
        strength = {
            "improving": patient.response * way,
            "stable": 0.05 * np.sin(2.5 * index),
            "relapsing": patient.response * (way / 0.6 if way < 0.6 else max(0.0, 1 - (way - 0.6) / 0.4)),
            "worsening": -0.5 * patient.response * way,
        }[patient.course]
        response = float(strength) if index else 0.0
        lesions = tuple(
            progress(one, months, response) if index and one.kind == Lesion.MELASMA else one for one in patient.lesions
        )
        person = patient.number // len(cohort.twins)
        day = np.random.default_rng((cohort.seed, 7, person, index))
        skin = patient.skin
        if index:  # drawn in the person's own tone, which make-up goes with: in each tone the same
            own = _own_tone(cohort, person, np.random.default_rng((cohort.seed, 2, person)))[1]
            skin = replace(sample_day(day, replace(skin, ita_deg=own)), ita_deg=skin.ita_deg)
        yield Visit(index + 1, months, response, skin, lesions)


def photo_plans(cohort: Cohort, patient: Patient, visit: int) -> Iterator[PhotoPlan]:
    """The photographs of a visit: a frontal DSLR picture, then a phone's, then both in turn in any view.

    Where views are asked for, they occur alike from the first photograph on.

    Shots depend on cast, visit and slot only, so that a cast's scenes serve all its patients.
    """
    for slot in range(cohort.photos):
        rng = np.random.default_rng((cohort.seed, 3, patient.cast, visit, slot))
        device: Device = "dslr" if slot % 2 == 0 else "phone"
        shares: tuple[float, ...] = {0: (1.0, 0.0, 0.0, 0.0), 1: (0.45, 0.175, 0.175, 0.2)}.get(
            slot, (0.1, 0.3, 0.3, 0.3)
        )
        if cohort.views:
            shares = tuple((view in cohort.views) / len(set(cohort.views)) for view in VIEWS)
        view = VIEWS[int(rng.choice(len(VIEWS), p=shares))]
        target = MASI_REGIONS[int(rng.integers(4))].key if view == "close-up" else None
        shot = sample_shot(rng, device=device, view=view, target=target, size_px=cohort.size_px)
        person = patient.number // len(cohort.twins)
        camera = sample_camera(np.random.default_rng((cohort.seed, 4, person, visit, slot)), device)
        yield PhotoPlan(f"{patient.name}-v{visit}-{slot + 1}-{device}-{view}", slot, shot, camera)


def ancestry_group(tones: Sequence[str], cast: int) -> int:
    """The ancestry group of a cast, from 0: casts of one seed, number and group are the same.

    Example:
        >>> ancestry_group((), 3), ancestry_group(("brown",), 3), ancestry_group(("dark",), 3)
        (0, 2, 2)
    """
    groups = _groups(tones)
    return groups[cast % len(groups)]


def _groups(tones: Sequence[str]) -> list[int]:
    """Ancestry groups in which the tones that are asked for occur."""
    return [group for group in range(len(_QUOTAS)) if _quota(tones, group)]


def _quota(tones: Sequence[str], group: int) -> list[ToneBand]:
    """Tone bands of ten patients of an ancestry group, as far as they are asked for."""
    counts = zip(_BANDS, _QUOTAS[group], strict=True)
    return [band for band, quota in counts for _ in range(quota) if not tones or band in tones]


def _own_tone(cohort: Cohort, person: int, rng: np.random.Generator) -> tuple[ToneBand, float]:
    """A person's band and degrees of ITA, before any twin's."""
    band = _band(cohort, person)
    return band, float(rng.uniform(*_LIMITS[band]))


def _band(cohort: Cohort, person: int) -> ToneBand:
    """Bands in turn, so that each occurs alike: ten at a time from the quota of the ancestry group, shuffled."""
    groups = _groups(cohort.tones)
    persons = cohort.cast_size // len(cohort.twins)
    cast, place = divmod(person, persons)
    turn, group = cast // len(groups), groups[cast % len(groups)]
    index, ten = turn * persons + place, _quota(cohort.tones, group)
    order = np.random.default_rng((cohort.seed, 5, group, index // len(ten))).permutation(len(ten))
    return ten[int(order[index % len(ten)])]
