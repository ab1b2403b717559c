"""Photographs at hand give a valid record or a refusal with findings; large ones fit in memory.

Every third photograph of a folder is taken; `MELASCOPE_TEST_EVERY=1 pytest tests/whole/test_every_photo.py` takes all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from melascope.archive import find_photos, give_folders
from melascope.batch import analyze_all
from melascope.report import schema_text
from tests.whole.faces import DATA

EVERY = int(os.environ.get("MELASCOPE_TEST_EVERY", "3"))
FOLDERS = ("synthetic-faces", "portraits", "pd-faces", "pad-ufes-20/images")


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_photograph_gives_a_valid_record(folder: str, tmp_path: Path) -> None:
    photos = find_photos([DATA / folder])[::EVERY]
    assert photos
    schema = json.loads(schema_text())
    places = give_folders(photos, tmp_path)
    views = []
    for result in analyze_all(photos, places, jobs=1):
        record = json.loads((result.folder / "analysis.json").read_text(encoding="utf-8"))
        jsonschema.validate(record, schema)
        codes = {finding["code"] for finding in record["quality"]["findings"]}
        assert "failed" not in codes, f"{result.photo.name}: {record['quality']}"
        assert record["quality"]["usable"] or codes
        assert (result.folder / "report.html").stat().st_size > 1000
        if record["quality"]["usable"]:
            for name in ("overlay", "maps", "region_mask", "lesion_mask"):
                assert (result.folder / record["files"][name]).is_file()
        if record["masi"] and record["masi"]["complete"]:
            assert record["view"] == "face" and not record["masi"]["missing"]
        views.append(record["view"])
    assert len(views) == len(photos)
    if folder in ("synthetic-faces", "portraits"):
        assert views.count("face") / len(views) > 0.9
    if folder == "pad-ufes-20/images":
        assert views.count("close-up") / len(views) > 0.9


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_24_megapixels_fit_in_a_gigabyte(tmp_path: Path) -> None:
    programme = """
import io, sys
from pathlib import Path
from PIL import Image
from skimage import data
from melascope.analysis import analyze
from melascope.report.write import write
buffer = io.BytesIO()
Image.fromarray(data.astronaut()).resize((6000, 4000)).save(buffer, "JPEG")
result = analyze(buffer.getvalue(), name="large.jpg")
assert result.photo.width == 6000, result.quality
write(result, Path(sys.argv[1]) / "large")
# Not getrusage: its peak is inherited from the process that started this one.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", programme, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert int(done.stdout) < 1000, f"peak {done.stdout.strip()} MB"
