"""Many photographs over several machines, by Ray Data: the same function and the same files as on one machine.

Ray Data hands out blocks of photographs; where a block arrives, the engine of one machine does it in a process of its
own (`melascope.batch.analyze_all`). So a photograph that kills its process or takes too long is refused in the same
words, and what Ray itself loses (a machine that goes away) is done again elsewhere. Every machine must see photographs
and results under the same paths.
"""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from melascope.archive import Analyse
from melascope.batch import Result, analyze_all
from melascope.cores import cores
from melascope.networks import FOLDER_VARIABLE

if TYPE_CHECKING:
    from melascope.report.write import Exports

__all__ = ["ClusterError", "analyze_on_cluster"]

_BLOCK: Final = 16
"""Photographs of a block: its process loads the networks once."""
_MOST_BLOCKS: Final = 2000
_REACH_S: Final = 10.0
_STARTS: Final = 2
_STORE_BYTES: Final = 80_000_000
"""Ray's shared memory: only paths and records travel."""
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_agent_register_timeout_ms": "300000",  # a busy machine starts slowly
    "RAY_worker_register_timeout_seconds": "300",
}


class ClusterError(Exception):
    """Ray cannot be reached or started, or gave up; the sentence says what to do."""


def analyze_on_cluster(
    photos: Sequence[Path],
    folders: Sequence[Path],
    *,
    pdf: bool = False,
    exports: Exports | None = None,
    jobs: int | None = None,
    analyse: Analyse | None = None,
    address: str | None = None,
) -> Generator[Result, None, None]:
    """Analyse photographs and write their results; yields each when its block is done, in no particular order.

    Args:
        photos: Files, as from `melascope.archive.find_photos`.
        folders: A folder for each, as from `melascope.archive.give_folders`.
        pdf: Also write `report.pdf`.
        exports: What to write for other systems.
        jobs: Processes of a Ray that is started here; all cores if None. A cluster has its own number.
        analyse: Stands in for `melascope.analysis.analyze`; it must be found by its name on every machine.
        address: Of a cluster that runs (`host:6379`, `ray://host:10001`, `auto`); one is started here if None.

    Raises:
        ClusterError: Ray cannot be reached or started, or gave up.
    """
    if not photos:
        return
    if address is not None:
        _reach(address)
    rows = [
        {"index": index, "photo": os.fsencode(photo.absolute()), "folder": os.fsencode(folder.absolute())}
        for index, (photo, folder) in enumerate(zip(photos, folders, strict=True))
    ]
    with _ray(address, jobs) as processes:
        import ray.data

        from melascope.record import Analysis

        blocks = min(len(rows), max(processes, min(_MOST_BLOCKS, math.ceil(len(rows) / _BLOCK))))
        work = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            _block,
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={"pdf": pdf, "exports": exports, "analyse": analyse, "networks": _own_networks()},
            num_cpus=1,
        )
        try:
            for row in work.iter_rows():
                index = int(row["index"])
                yield Result(photos[index], folders[index], Analysis.model_validate_json(row["record"]))
        except Exception as error:  # noqa: BLE001 (Ray hands on whatever went wrong anywhere, in classes of its own)
            raise ClusterError(
                f"Ray gave up ({_last_line(error)}); see that Melascope is installed in the same version on every "
                "machine and that all see the same files. What is done is kept: --resume goes on"
            ) from None


def _block(
    block: Any,
    *,
    pdf: bool,
    exports: Exports | None,
    analyse: Analyse | None,
    networks: str,
) -> Iterator[dict[str, list[Any]]]:
    """Some photographs (an Arrow table), wherever Ray has them done."""
    os.environ[FOLDER_VARIABLE] = networks  # the machine's own environment may say otherwise
    rows = block.to_pylist()
    photos, folders = ([Path(os.fsdecode(row[name])) for row in rows] for name in ("photo", "folder"))
    indices = {photo: row["index"] for photo, row in zip(photos, rows, strict=True)}
    with closing(analyze_all(photos, folders, pdf=pdf, exports=exports, jobs=1, analyse=analyse, threads=1)) as results:
        for result in results:
            yield {"index": [indices[result.photo]], "record": [result.analysis.to_json()]}


def _own_networks() -> str:
    """The folder of networks that this process looks into first, for others to look into; empty if there is none."""
    said = os.environ.get(FOLDER_VARIABLE)
    return str(Path(said).resolve()) if said else ""


def _reach(address: str) -> None:
    """Ray itself looks for a head that is not there for minutes."""
    if address == "auto":
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        place = (parts.hostname, parts.port)
    except ValueError:
        place = (None, None)
    if not place[0] or not place[1]:
        raise ClusterError(f"the address {address!r} of Ray must be host:6379, ray://host:10001 or auto")
    try:
        socket.create_connection((place[0], place[1]), _REACH_S).close()
    except OSError as error:
        raise _absent(address, error) from None


@contextmanager
def _ray(address: str | None, jobs: int | None) -> Iterator[int]:
    """A Ray that says nothing and sends nothing about its use; gives how many processes it has."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    own = {"num_cpus": jobs or cores(), "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    for left in reversed(range(_STARTS if address is None else 1)):
        try:
            ray.init(**({"address": address} if address else {"address": "local"} | own), **quiet)
            break
        except Exception as error:  # noqa: BLE001 (it fails in many ways)
            ray.shutdown()
            if not left:  # Ray allows a part of its own 15 s to start, which a busy machine may need longer for
                raise _absent(address, error) from None
    try:
        from ray.data import DataContext

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def _absent(address: str | None, error: Exception) -> ClusterError:
    where = f"at {address} cannot be reached" if address else "cannot be started here"
    return ClusterError(f"Ray {where} ({_last_line(error)}); see that it runs, or use --engine local")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:200].rstrip(".")
