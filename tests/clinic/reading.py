"""A reading study in the small clinic, for tests: two more patients of the practice, and two or three raters."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from melascope.clinic import patients, photos, readings, showings, visits
from melascope.clinic.access import Actor
from melascope.clinic.tables import PhotoView, Showing, User
from tests.clinic.made import House, jpeg

RATERS = ("annotator of practice", "clinician of practice")
CHIEF = "administrator of practice"
DAY = "2026-03-03"


@dataclass
class Reading:
    """An open reading study of the photographs of one day."""

    house: House
    id: str
    photos: list[str]
    patients: list[str]

    @classmethod
    def made(
        cls, house: House, count: int = 4, raters: tuple[str, ...] = RATERS, code: str = "R", **form: str
    ) -> Reading:
        chief = house.actor(CHIEF)
        ids, taken = [], []
        for number in range(count):
            with house.clinic.database.writing() as db:
                patient = patients.add_patient(db, chief, house.study, {"code": f"{code}-{number}"}).id
                visit = visits.add_visit(db, chief, patient, {"day": form.get("since", DAY)}).id
            ids.append(patient)
            data = jpeg(10 + 40 * number)
            taken.append(
                photos.add_photo(house.clinic.database, chief, house.clinic.store, visit, PhotoView.FRONTAL, data)[0]
            )
        house.clinic.runner.drain()
        with house.clinic.database.writing() as db:
            users = [db.scalars(select(User.id).where(User.name == name)).one() for name in raters]
            fields = {"name": "March", "view.frontal": "yes", "since": DAY, "until": DAY, **form}
            fields.setdefault("seed", "" if CHIEF in raters else "7")
            fields |= {f"rater.{user}": "yes" for user in users}
            made = readings.make_reading(db, chief, house.study, fields)
            return cls(house, made.id, taken, ids)

    def queue(self, rater: str) -> list[Showing]:
        with self.house.clinic.database.reading() as db:
            line = showings.queue(db, self.house.actor(rater), self.id)[2]
            for showing in line:
                _ = showing.scores
            return line

    def save(self, rater: str, showing: str, said: showings.Entry, version: int = 0) -> None:
        actor: Actor = self.house.actor(rater)
        with self.house.clinic.database.writing() as db:
            row = db.get_one(Showing, showing)
            showings.save(db, actor, self.id, showing, version or row.version, said)

    def read(self, rater: str, area: int = 3) -> None:
        """Everything, with scores that follow from the photograph."""
        for showing in self.queue(rater):
            self.save(rater, showing.id, scored(area + self.photos.index(showing.photo_id) % 3, 2 + showing.again))

    def close(self, again: bool = False) -> str:
        """The closed one, or the second reading."""
        with self.house.clinic.database.writing() as db:
            return readings.close_reading(db, self.house.actor(CHIEF), self.id, again=again).id


def scored(area: int, darkness: int = 2, homogeneity: int = 2) -> showings.Entry:
    """The same steps in all four regions."""
    steps = {"area": area, "darkness": darkness, "homogeneity": homogeneity}
    return showings.Entry({region: dict(steps) for region in ("forehead", "right_malar", "left_malar", "chin")})


def fields(said: showings.Entry) -> dict[str, str]:
    """An entry as a browser sends it."""
    sent = {"unreadable": said.unreadable, "comment": said.comment}
    for region, steps in said.regions.items():
        sent |= {f"{region}.unseen": "yes"} if steps is None else {f"{region}.{k}": str(v) for k, v in steps.items()}
    return sent
