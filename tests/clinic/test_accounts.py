"""Accounts: the first link, passwords, lockout."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from melascope.clinic import accounts
from melascope.clinic.access import Invalid, NotFound
from melascope.clinic.desk import Clinic
from melascope.clinic.tables import Attempts, Audit, Link, SignIn, User, now
from tests.clinic.made import PASSWORD, House, Person


def test_passwords_are_kept_by_argon2id() -> None:
    keeper = accounts.hasher()
    kept = keeper.hash("a calm long phrase")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert keeper.verify(kept, "a calm long phrase")


def test_the_first_start_makes_one_administrator(clinic: Clinic) -> None:
    with clinic.database.writing() as db:
        stale, secret = accounts.first_link(db), accounts.first_link(db)
        assert stale and secret and stale != secret
        assert secret not in {link.digest for link in db.scalars(select(Link))}
    with clinic.database.writing() as db, pytest.raises(NotFound):
        accounts.redeem(db, clinic.keeper, stale, "Anna", PASSWORD)
    with clinic.database.writing() as db:
        assert accounts.redeem(db, clinic.keeper, secret, "  Anna  Adler ", PASSWORD).name == "Anna Adler"
    with clinic.database.writing() as db:
        assert accounts.first_link(db) is None
        with pytest.raises(NotFound):
            accounts.redeem(db, clinic.keeper, secret, "Eve", PASSWORD)


def test_a_link_is_of_no_use_after_its_time(clinic: Clinic) -> None:
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
        assert secret
        link = db.scalars(select(Link)).one()
        assert timedelta(hours=71) < link.expires - now() <= timedelta(hours=72)
        link.expires = now() - timedelta(seconds=1)
        db.flush()
        with pytest.raises(NotFound):
            accounts.link_owner(db, secret)


def test_a_weak_password_is_refused(clinic: Clinic) -> None:
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
        assert secret
        for password in ("short", "x" * 201, "password123", "aaaaaaaaaaaa", "Anna Adler", "reldA annA"):
            with pytest.raises(Invalid, match="password"):
                accounts.redeem(db, clinic.keeper, secret, "Anna Adler", password)


def test_a_name_is_one_account_whatever_its_case(house: House) -> None:
    with house.clinic.database.writing() as db, pytest.raises(Invalid, match="name_taken"):
        accounts.add_user(db, None, " rOOt ")


@pytest.mark.parametrize("name", ["Root", "who there is not"])
def test_wrong_passwords_lock_a_name_whether_there_is_one_or_not(house: House, name: str) -> None:
    database, keeper = house.clinic.database, house.clinic.keeper
    waits = []
    for _ in range(7):
        assert accounts.check_password(database, keeper, name, "wrong") is None
        with database.writing() as db:
            tries = db.scalars(select(Attempts)).one()
            waits.append(0 if tries.locked_until is None else round((tries.locked_until - now()).total_seconds()))
            tries.locked_until = None  # the wait is over
    assert waits == [0, 0, 0, 0, 30, 60, 120]
    assert accounts.check_password(database, keeper, name, "wrong") is None
    assert accounts.check_password(database, keeper, name, PASSWORD) is None  # right, but it has to wait
    with database.reading() as db:
        actions = [row.action for row in db.scalars(select(Audit).where(Audit.action.like("sign-in.%")))]
    assert actions.count("sign-in.failed") == 8 and actions.count("sign-in.locked") == 1


def test_a_right_password_forgets_the_wrong_ones(house: House) -> None:
    database, keeper = house.clinic.database, house.clinic.keeper
    for _ in range(3):
        accounts.check_password(database, keeper, "Root", "wrong")
    assert accounts.check_password(database, keeper, "root", PASSWORD) is not None
    with database.reading() as db:
        assert db.scalars(select(Attempts)).all() == []


def test_both_failures_say_the_same(house: House) -> None:
    pages = [Person(house.browser()).sign_in(name, "wrong") for name in ("Root", "nobody at all")]
    assert {page.status_code for page in pages} == {422}
    texts = [page.text.replace("Root", "X").replace("nobody at all", "X") for page in pages]
    import re

    assert len({re.sub(r'name="csrf" value="[^"]+"', "", text) for text in texts}) == 1


def test_another_password_ends_the_other_sessions(house: House) -> None:
    here, there = house.member(), house.member()
    answer = here.post(
        "/account/password", {"old": PASSWORD, "password": "another long phrase", "again": "another long phrase"}
    )
    assert answer.status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert here.post("/account/password", {"old": "no"}).status_code in (403, 422)


def test_another_password_ends_the_keys_of_the_account_and_no_others(house: House) -> None:
    person, name = house.member(), "clinician of practice"

    def made(name: str) -> str:
        with house.clinic.database.writing() as db:
            return accounts.new_token(db, db.scalars(select(User).where(User.name == name)).one(), "tests")

    def holds(secret: str) -> bool:
        return house.browser().get("/api/v1/studies", headers={"authorization": f"Bearer {secret}"}).status_code == 200

    secret, other = made(name), made("annotator of practice")
    assert holds(secret) and holds(other)
    new = "another long phrase"
    form = {"old": PASSWORD, "password": new, "again": new}
    assert person.post("/account/password", form).status_code == 303
    assert not holds(secret) and holds(other)
    secret = made(name)
    with house.clinic.database.writing() as db:
        link = accounts.invite(db, None, db.scalars(select(User).where(User.name == name)).one())
    assert holds(secret)  # until the link is used
    with house.clinic.database.writing() as db:
        accounts.redeem(db, house.clinic.keeper, link, name, PASSWORD)
    assert not holds(secret) and holds(other)


def test_the_walk_of_a_new_colleague(house: House) -> None:
    root = house.person("Root")
    page = root.post("/administration/users", {"name": "Dr New"}).text
    link = page.partition("/start/")[2].partition("<")[0]
    assert link
    browser = house.browser()
    form = browser.get(f"/start/{link}")
    assert "Dr New" in form.text
    token = form.text.partition('name="csrf" value="')[2].partition('"')[0]
    data = {"csrf": token, "name": "Dr New", "password": "a phrase of mine", "again": "a phrase of mine"}
    assert browser.post(f"/start/{link}", data=data | {"again": "differs"}).status_code == 422
    assert browser.post(f"/start/{link}", data=data).headers["location"] == "/"
    assert browser.get("/account").status_code == 200
    assert house.browser().get(f"/start/{link}").status_code == 404


def test_sign_out_ends_the_session_on_the_server(house: House) -> None:
    person = house.member()
    secret = person.client.cookies["melascope"]
    with house.clinic.database.reading() as db:
        assert secret not in {row.digest for row in db.scalars(select(SignIn))}
    person.post("/sign-out")
    person.client.cookies.set("melascope", secret)
    assert person.get("/account").status_code == 303


def test_a_keys_secret_is_shown_once_and_kept_as_digest(house: House) -> None:
    person = house.member()
    page = person.post("/account/tokens", {"name": "notebook"}).text
    secret = page.partition('class="secret">')[2].partition("<")[0]
    assert secret.startswith("mela_")
    assert secret not in person.get("/account").text
    with house.clinic.database.reading() as db:
        user = accounts.bearer(db, secret)
        assert isinstance(user, User) and user.name == "clinician of practice"
