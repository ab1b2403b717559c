"""``melascope clinic``: the web application, its accounts, its backups."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melascope.cli.outcome import fail, usage

if TYPE_CHECKING:
    from melascope.clinic.database import Database
    from melascope.clinic.desk import Clinic
    from melascope.clinic.settings import Settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="A web application that keeps patients, visits and photographs.")
user = typer.Typer(no_args_is_help=True, help="Accounts.")
app.add_typer(user, name="user")
_Data = Annotated[
    Path, typer.Option("--data", help="Folder of database and photographs; made if there is none.", show_default=True)
]
_Known = Annotated[Path, typer.Option("--data", help="Folder of a clinic that is there.", show_default=True)]
_Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Folder or fsspec URL (s3://, gs://, sftp:// …) of the photographs. Default: $MELASCOPE_STORE_URL, else "
        "a folder beside the database.",
        show_default=False,
    ),
]
_DATA = Path("melascope-clinic")


@app.command("serve")
def serve(
    data: _Data = _DATA,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8321,
    public_url: Annotated[
        str | None,
        typer.Option(help="Where browsers reach it, as https://clinic.example.org. Default: http://127.0.0.1:PORT."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that analyse photographs.")] = 1,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that answer; one is enough for a practice.")
    ] = 1,
    store: _Store = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Allow other machines without TLS. Never on an open network.")
    ] = False,
) -> None:
    """Run the clinic.

    The first start prints a link that works once and makes the administrator. The database is SQLite in the data
    folder, or what MELASCOPE_DATABASE_URL names (postgresql://…). Photographs are encrypted if MELASCOPE_STORE_KEY or
    MELASCOPE_STORE_KEY_FILE name a key (`melascope clinic key` makes one). Other machines should reach it through a
    proxy that speaks TLS: name its address with --public-url https://…. The log goes to standard error, one JSON
    object a line.

    Exit code: 0 stopped, 1 could not start, 2 wrong usage.
    """
    settings = _settings(data, public_url, processes, store)
    from melascope.clinic.settings import LOOPBACK, Settings

    if host not in LOOPBACK and not settings.secure and not plain_http:
        usage(
            f"--host {host} would send photographs and passwords unprotected; name --public-url https://… and put a "
            "proxy with TLS in front, or say --plain-http"
        )
    listener = _listen(host, port)
    if settings.public_url == Settings.public_url:  # nobody named one
        settings = replace(settings, public_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    from melascope.clinic import accounts

    clinic = _open(settings)
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
    typer.echo(f"The clinic is at {settings.public_url}")
    if secret:
        typer.echo(f"Make the administrator (works once, for three days): {settings.public_url}/start/{secret}")
    from melascope.clinic import server

    if workers == 1:
        server.serve(clinic, listener)
    elif not server.serve_many(clinic, listener, workers):
        fail("the workers ended as soon as they had begun; the log says why")


@app.command("demo")
def demo(
    data: Annotated[Path, typer.Option("--data", help="Folder for it; may be removed afterwards.")] = Path(
        "melascope-clinic-demo"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8321,
) -> None:
    """Run a clinic with the package's virtual patients, for looking around. Nobody in it exists.

    Whatever database, store or key the environment names belongs to another clinic, and is not touched.
    """
    from melascope.cli.demo import samples

    settings = _settings(data, f"http://127.0.0.1:{port}", 1, environ={})
    listener = _listen("127.0.0.1", port)
    from melascope.clinic.demo import NAME, fill, fill_course
    from melascope.clinic.demo_readings import fill_readings
    from melascope.clinic.tables import PhotoView

    clinic = _open(settings)
    views = {"close-up.jpg": PhotoView.CLOSE_UP}
    pictures = sorted((each for each in samples().iterdir() if each.name.endswith(".jpg")), key=lambda each: each.name)
    password = fill(clinic, [(views.get(each.name, PhotoView.FRONTAL), each.read_bytes()) for each in pictures])
    course = {each.name: each for each in samples().joinpath("course").iterdir() if each.name.endswith(".jpg")}
    days = [(date.fromisoformat(name.removesuffix(".jpg")), each.read_bytes()) for name, each in course.items()]
    fill_course(clinic, sorted(days))
    read = samples().joinpath("readings")
    truth = json.loads(read.joinpath("truth.json").read_text(encoding="utf-8"))
    fill_readings(clinic, [(read.joinpath(name).read_bytes(), true) for name, true in truth.items()])
    typer.echo(f"The clinic is at {settings.public_url}; sign in as {NAME} with the password {password}")
    from melascope.clinic import server

    server.serve(clinic, listener)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        fail(f"{host}:{port} cannot be listened at ({error.strerror}); choose another --port")
    return listener


@app.command("init")
def init(data: _Data = _DATA, store: _Store = None) -> None:
    """Make the database and the folders, and print the link that makes the administrator."""
    from melascope.clinic import accounts

    settings = _settings(data, None, 1, store)
    clinic = _open(settings)
    with clinic.database.writing() as db:
        secret = accounts.first_link(db)
    typer.echo(f"Ready: {settings.data}")
    if secret:
        typer.echo(f"Make the administrator (works once, for three days): {settings.public_url}/start/{secret}")


@user.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    data: _Known = _DATA,
    administrator: Annotated[bool, typer.Option("--administrator", help="May manage accounts and studies.")] = False,
    study: Annotated[str | None, typer.Option(help="Name of a study to join.")] = None,
    role: Annotated[str, typer.Option(help="administrator, clinician, annotator or read-only.")] = "clinician",
) -> None:
    """Add an account and print its one-time link."""
    from sqlalchemy import select

    from melascope.clinic import accounts
    from melascope.clinic.access import Invalid
    from melascope.clinic.audit import log
    from melascope.clinic.tables import Member, Role, Study
    from melascope.clinic.texts import texts

    if role not in set(Role):
        usage(f"--role {role}: must be administrator, clinician, annotator or read-only")
    settings = _settings(data, None, 1, key=False)
    database = _database(settings)
    try:
        with database.writing() as db:
            found = db.scalar(select(Study).where(Study.name == study)) if study else None
            if study and found is None:
                fail(f"there is no study {study!r}; make it in the pages first")
            made = accounts.add_user(db, None, name, administrator=administrator)
            if found is not None:
                db.add(Member(user_id=made.id, study_id=found.id, role=Role(role)))
                log(db, None, "study.role", found, user=made.id, role=role)
            secret = accounts.invite(db, None, made)
    except Invalid as error:
        fail(texts("en")(error.text, **error.values).rstrip("."))
    typer.echo(f"{settings.public_url}/start/{secret}")


@user.command("list")
def listing(data: _Known = _DATA) -> None:
    """List accounts with their roles."""
    from sqlalchemy import select

    from melascope.clinic.tables import Member, User

    database = _database(_settings(data, None, 1, key=False))
    with database.reading() as db:
        for each in db.scalars(select(User).order_by(User.folded)):
            roles = [
                f"{m.role.value} of {m.study.name}" for m in db.scalars(select(Member).where(Member.user_id == each.id))
            ]
            state = "closed" if each.disabled else "active" if each.password else "invited"
            roles = ["manages accounts and studies"] * each.administrator + roles
            typer.echo("\t".join((each.name, state, "; ".join(roles))))


@user.command("reset")
def reset(name: Annotated[str, typer.Argument(help="Whose password to set anew.")], data: _Known = _DATA) -> None:
    """Print a new one-time link for an account."""
    from sqlalchemy import select

    from melascope.clinic import accounts
    from melascope.clinic.tables import User

    settings = _settings(data, None, 1, key=False)
    database = _database(settings)
    with database.writing() as db:
        found = db.scalar(select(User).where(User.folded == " ".join(name.split()).casefold()))
        if found is None:
            fail(f"there is no account {name!r}; `melascope clinic user list` names all")
        secret = accounts.invite(db, None, found)
    typer.echo(f"{settings.public_url}/start/{secret}")


@app.command("backup")
def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="ZIP to write.")],
    data: _Known = _DATA,
    store: _Store = None,
) -> None:
    """Write database and photographs into one ZIP, while the clinic runs.

    What is encrypted stays so: no key is needed here, and the same key is needed where it is restored.
    """
    from melascope.clinic.backup import BackupError, write_backup
    from melascope.clinic.bucket import place_of
    from melascope.clinic.settings import SettingsError
    from melascope.clinic.store import StoreError

    settings = _settings(data, None, 1, store, key=False)
    database = _database(settings, migrate=False)  # a copy made before an upgrade is one of before the upgrade
    try:
        made = write_backup(database, place_of(settings), to)
    except SettingsError as error:
        usage(str(error))
    except (BackupError, StoreError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{to} could not be written ({error.strerror}); free the disk or name another place")
    if made.missing:
        typer.echo(
            f"Warning: {made.missing} photographs that the database names are not in the store, nor in the backup; see "
            "whether all of the store can be read.",
            err=True,
        )
    typer.echo(f"{made.files} files in {to}. It holds all that is there: keep it as safe as the clinic itself.")
    if made.keys:
        named = ("the key " if len(made.keys) == 1 else "the keys ") + " and ".join(made.keys)
        typer.echo(f"Its photographs are encrypted with {named}, not in it: whoever restores it needs that as well.")


@app.command("restore")
def restore(
    backup_file: Annotated[Path, typer.Argument(metavar="FROM", help="ZIP of `melascope clinic backup`.")],
    data: _Data = _DATA,
    store: _Store = None,
) -> None:
    """Make a data folder from a backup; it must be empty or not be there, and so must the store."""
    from melascope.clinic.backup import BackupError, restore_backup
    from melascope.clinic.bucket import place_of
    from melascope.clinic.settings import SettingsError
    from melascope.clinic.store import StoreError

    settings = _settings(data, None, 1, store, key=False)
    try:
        count = restore_backup(backup_file, data, place_of(settings) if settings.store_url else None)
    except (BackupError, StoreError, SettingsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or data}: {error.strerror}; free the disk or name another folder")
    typer.echo(f"{count} files in {data}.")


@app.command("key")
def key() -> None:
    """Print a new key for the photographs. Keep it apart from the data, and twice: without it they are lost."""
    from melascope.clinic.seal import Key

    typer.echo(Key.new())


@app.command("rekey")
def rekey(
    data: _Known = _DATA,
    store: _Store = None,
    new_key_file: Annotated[
        Path | None, typer.Option(help="File of the key that the photographs get.", show_default=False)
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Decrypt them for good instead.")] = False,
) -> None:
    """Encrypt all photographs with another key, or for the first time. Stop the clinic before.

    The key that they have is that of MELASCOPE_STORE_KEY or MELASCOPE_STORE_KEY_FILE; none if they are not encrypted.
    If it is cut short, the same command brings it to its end.
    """
    if plain == (new_key_file is not None):
        usage("name the new key with --new-key-file, or decrypt with --plain")
    settings = _settings(data, None, 1, store)
    from melascope.clinic import seal
    from melascope.clinic.bucket import place_of
    from melascope.clinic.settings import KEY_VARIABLE, SettingsError, read_key_file
    from melascope.clinic.store import StoreError

    if not settings.store_url and not settings.data.is_dir():
        usage(f"--data {data}: there is no such folder")
    try:
        old = seal.Key.read(settings.store_key, KEY_VARIABLE) if settings.store_key is not None else None
        new = None if new_key_file is None else seal.Key.read(read_key_file(new_key_file), str(new_key_file))
        changed, same = seal.rekey(place_of(settings), old, new)
    except SettingsError as error:
        usage(str(error))
    except (StoreError, OSError) as error:
        fail(str(error))
    typer.echo(f"{changed} files {'decrypted' if plain else 'encrypted with the new key'}, {same} were so already.")


def _settings(
    data: Path,
    url: str | None,
    processes: int,
    store: str | None = None,
    *,
    key: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    missing = [
        package
        for package, module in (
            ("fastapi", "fastapi"),
            ("sqlalchemy", "sqlalchemy"),
            ("alembic", "alembic"),
            ("argon2-cffi", "argon2"),
            ("cryptography", "cryptography"),
            ("fsspec", "fsspec"),
            ("python-multipart", "python_multipart"),
            ("uvicorn", "uvicorn"),
        )
        if find_spec(module) is None
    ]
    if missing:
        usage(f"the clinic needs {', '.join(missing)}: pip install 'melascope[clinic]'")
    from melascope.clinic.settings import Settings, SettingsError

    if data.exists() and not data.is_dir():
        usage(f"--data {data}: is a file; name a folder")
    try:
        return Settings.of(data, public_url=url, processes=processes, store_url=store, key=key, environ=environ)
    except SettingsError as error:
        usage(str(error))


def _open(settings: Settings) -> Clinic:
    from melascope.clinic.app import open_clinic
    from melascope.clinic.database import DatabaseError
    from melascope.clinic.settings import SettingsError
    from melascope.clinic.store import StoreError

    try:
        return open_clinic(settings)
    except SettingsError as error:
        usage(str(error))
    except (DatabaseError, StoreError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{settings.data}: {error.strerror}; name another folder with --data")


def _database(settings: Settings, *, migrate: bool = True) -> Database:
    """The database of a clinic that is there, alone: accounts and backups need neither the store nor its key."""
    from melascope.clinic.database import Database, DatabaseError

    try:
        database = Database(settings.database_url)
        database.need()
        if migrate:
            database.migrate()
    except DatabaseError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{settings.data}: {error.strerror}; ask its owner for permission, or name another folder with --data")
    return database
