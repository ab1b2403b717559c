"""Faulty tables of ratings: what is written, and what must be said of it."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "photo,patient,rater,masi"
GOOD = ("a.jpg,P1,anna,12.5", "a.jpg,P1,ben,14", "b.jpg,P2,anna,30", "b.jpg,P2,ben,33.2")
PARTS = ",".join(
    f"{region}_{part}"
    for region in ("forehead", "right_malar", "left_malar", "chin")
    for part in ("area", "darkness", "homogeneity")
)
TWELVE = "2,2,2,3,2,2,3,2,1,1,1,1"  # 0.3 * 8 + 0.3 * 12 + 0.3 * 9 + 0.1 * 2 = 8.9


@dataclass(frozen=True)
class Fault:
    """One way in which a table is wrong."""

    name: str
    lines: tuple[str, ...] | bytes
    says: tuple[str, ...]
    """What one of the problems must hold: row, value, rule, way out."""
    file: str = "ratings.csv"
    photos: tuple[str, ...] | None = None
    """Files of the folder of photos; None: none is given."""

    @property
    def content(self) -> bytes:
        return self.lines if isinstance(self.lines, bytes) else ("\n".join(self.lines) + "\n").encode()


def with_row(row: str, header: str = HEADER) -> tuple[str, ...]:
    """Good rows 2 to 5, and a wrong one in row 6."""
    return (header, *GOOD, row)


def parts(cells: str, total: str = "8.9") -> tuple[str, ...]:
    return (f"photo,patient,masi,{PARTS}", f"a,P1,8.9,{TWELVE}", f"b,P2,{total},{cells}")


FAULTS = (
    Fault(
        "semicolon in a rater's name",
        (HEADER, *(row.replace("ben", "ben; resident") for row in GOOD)),
        ("row 3", "'ben; resident'", "holds a semicolon", "write another sign"),
    ),
    Fault(
        "photo missing from the folder",
        (HEADER, *GOOD),
        ("row 4", "b.jpg", "is not in", "add the photo"),
        photos=("a.jpg",),
    ),
    Fault("photo empty", (HEADER, *GOOD), ("row 4", "b.jpg", "empty file", "copy"), photos=("a.jpg", "b.jpg:empty")),
    Fault(
        "photo in two places",
        (HEADER, *GOOD),
        ("row 4", "x/b.jpg or y/b.jpg", "with its folder"),
        photos=("a.jpg", "x/b.jpg", "y/b.jpg"),
    ),
    Fault(
        "path out of the folder",
        (HEADER, "../a.jpg,P1,anna,3"),
        ("row 2", "'../a.jpg'", "out of the folder", "below that folder"),
        photos=("a.jpg",),
    ),
    Fault(
        "one file under two names",
        (HEADER, "a,P1,anna,3", "a.jpg,P1,anna,4"),
        ("row 3", "a.jpg", "'a' in row 2", "one name"),
        photos=("a.jpg",),
    ),
    Fault("folder without photos", (HEADER, *GOOD), ("holds no photo (bmp, heic", "another folder"), photos=()),
    Fault("MASI 49", with_row("c.jpg,P3,anna,49"), ("row 6", "masi", "'49'", "between 0 and 48", "correct")),
    Fault("negative MASI", with_row("c.jpg,P3,anna,-1"), ("row 6", "'-1'", "between 0 and 48", "correct")),
    Fault(
        "words for a MASI", with_row("c.jpg,P3,anna,mild"), ("row 6", "'mild'", "is no number", "leave the cell empty")
    ),
    Fault("NaN", with_row("c.jpg,P3,anna,NaN"), ("row 6", "'NaN'", "is no number", "0 to 48")),
    Fault(
        "a date for a MASI",
        with_row("c.jpg,P3,anna,2024-05-12"),
        ("row 6", "'2024-05-12'", "is a date", "type it again"),
    ),
    Fault("no score", with_row("c.jpg,P3,anna,"), ("row 6", "no score", "write the MASI", "delete the row")),
    Fault(
        "decimal comma between commas",
        with_row("c.jpg,P3,anna,12,5"),
        ("row 6", "5 cells", "4", "decimal comma", "quotation marks"),
    ),
    Fault("A = 7", parts("7,2,2,3,2,2,3,2,1,1,1,1"), ("row 3", "forehead_area", "'7'", "between 0 and 6", "correct")),
    Fault("D = 5", parts("2,2,2,3,2,2,3,2,1,1,5,1"), ("row 3", "chin_darkness", "'5'", "between 0 and 4", "correct")),
    Fault("a share for A", parts("35%,2,2,3,2,2,3,2,1,1,1,1"), ("row 3", "'35%'", "is a share", "0 to 6")),
    Fault(
        "components with a gap",
        parts("2,2,,3,2,2,3,2,1,1,1,1"),
        ("row 3", "forehead_homogeneity", "empty", "fill in all twelve", "leave the photo out"),
    ),
    Fault(
        "total against components",
        parts(TWELVE, "9.9"),
        ("row 3", "MASI 9.9", "components", "8.9", "correct one of them", "empty the total"),
    ),
    Fault(
        "mMASI above MASI",
        ("photo,patient,masi,mmasi", "a,P1,8,4", "b,P2,4,8"),
        ("row 3", "mMASI 8", "above the MASI 4", "exchanged"),
    ),
    Fault(
        "two patients on one photo",
        with_row("a.jpg,P3,carl,12"),
        ("row 6", "'a.jpg'", "'P3'", "'P1' in row 2", "correct the patient"),
    ),
    Fault("a rater missing", (HEADER, *GOOD[:3]), ("row 4", "'b.jpg'", "no rating of ben", "--incomplete drop")),
    Fault(
        "rated twice by one rater",
        with_row("a.jpg,P1,ben,15"),
        ("row 6", "'a.jpg'", "by 'ben' in row 3", "MASI 15, then 14", "keep one"),
    ),
    Fault(
        "two rows a photo and no rater",
        ("photo,patient,masi", "a,P1,3", "a,P1,4"),
        ("row 3", "'a'", "row 2 already", "add a column 'rater'"),
    ),
    Fault("blank photo", with_row("   ,P3,anna,3"), ("row 6", "photo", "is empty", "delete the row")),
    Fault("blank patient", with_row("c.jpg,\u00a0,anna,3"), ("row 6", "patient", "is empty", "name the patient")),
    Fault("blank rater", with_row("c.jpg,P3,,3"), ("row 6", "rater", "is empty", "name the rater")),
    Fault("unprintable photo", with_row("c\x07.jpg,P3,anna,3"), ("row 6", "cannot be printed", "plain name")),
    Fault("rater spelt two ways", with_row("c.jpg,P3,Anna ,3"), ("row 6", "'Anna'", "'anna' of row 2", "one way")),
    Fault("patient spelt two ways", with_row("c.jpg,p1,anna,3"), ("row 6", "'p1'", "'P1' of row 2", "one way")),
    Fault("photo spelt two ways", with_row("A.jpg,P1,anna,3"), ("row 6", "'A.jpg'", "'a.jpg' of row 2", "one way")),
    Fault(
        "raters in both forms",
        ("photo,patient,rater,rater1_masi,rater2_masi", "a,P1,anna,3,4"),
        ("columns of their own", "rater1, rater2", "keep one form"),
    ),
    Fault(
        "one rater's cell empty in the wide form",
        ("photo,patient,rater1_masi,rater2_masi", "a,P1,3,4", "b,P2,5,"),
        ("row 3", "'b'", "no rating of rater2", "add it"),
    ),
    Fault(
        "patient in two groups",
        ("photo,patient,group,masi", "a,P1,g1,3", "b,P1,g2,4"),
        ("row 3", "'P1'", "'g2'", "'g1' in row 2", "one group"),
    ),
    Fault(
        "a time that is none", ("photo,patient,read_at,masi", "a,P1,soon,3"), ("row 2", "'soon'", "2024-05-31 14:30")
    ),
    Fault("file of 0 bytes", b"", ("is empty (0 bytes)", "export")),
    Fault("file of blanks", b"\n \n,,,\n", ("is empty", "first row must name the columns")),
    Fault("header alone", (HEADER,), ("a header and no rows", "add the ratings")),
    Fault(
        "wrong encoding",
        ("photo,patient,rater,masi\na.jpg,P1,Zoë,3\nb.jpg,P2,Müller,4\n").encode("cp1252"),
        ("row 2", "0xeb", "not UTF-8", "save the table as 'CSV UTF-8'"),
    ),
    Fault("UTF-16 cut short", b"\xff\xfep\x00h\x00o", ("UTF-16", "'CSV UTF-8'")),
    Fault("zero bytes", b"photo,patient,masi\na,P1,\x003\n", ("row 2", "zero bytes", "'CSV UTF-8'")),
    Fault(
        "open quotation mark", (HEADER, *GOOD[:2], '"b.jpg,P2,anna,30'), ("row 4", "quotation mark", "correct the row")
    ),
    Fault("no column of photos", ("name,patient,masi", "a,P1,3"), ("no column 'photo'", "'name'", "name the column")),
    Fault("no column of patients", ("photo,masi", "a,3"), ("no column 'patient'", "'masi'", "add a column 'patient'")),
    Fault("no scores", ("photo,patient,severity", "a,P1,mild"), ("no column of scores", "'severity'", "add 'masi'")),
    Fault(
        "some columns of components missing",
        (f"photo,patient,{PARTS.rsplit(',', 1)[0]}", f"a,P1,{TWELVE.rsplit(',', 1)[0]}"),
        ("of the 12 columns", "chin_homogeneity", "add it", "'masi' alone"),
    ),
    Fault(
        "a column with a slip of the pen",
        (f"photo,patient,masi,{PARTS.replace('forehead_area', 'forhead_area')}", f"a,P1,8.9,{TWELVE}"),
        ("'forhead_area'", "rename it 'forehead_area'"),
    ),
    Fault(
        "a column twice", ("photo,patient,masi,MASI total", "a,P1,3,4"), ("'masi' and 'MASI total'", "delete or rename")
    ),
    Fault("not a table", b"\x89PNG\r\n\x1a\n....", (".png", "tables are .csv"), file="ratings.png"),
    Fault(
        "garbage in an .xlsx", b"this is no zip file", ("no workbook", "save it again as .xlsx"), file="ratings.xlsx"
    ),
    Fault(
        "a locked workbook",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64),
        ("locked by a password", "without a password"),
        file="ratings.xlsx",
    ),
    Fault("garbage in a .parquet", b"PAR1 but no more", ("no Parquet", "write it again"), file="ratings.parquet"),
    Fault("a workbook called .csv", b"PK\x03\x04" + bytes(32), ("is a workbook", "ending .xlsx")),
)
