"""Writes sample-dicom/hostile: small DICOM files with one fault each, and a .txt that says which.

Python's standard library only, no randomness: running it again writes the same bytes.
The first line of each .txt is `answer: ` and the C-STORE status that the receiver gives.

    python3 scripts/hostile_corpus.py
"""

import pathlib
import struct
import zlib

OUT = pathlib.Path(__file__).resolve().parent.parent / "sample-dicom" / "hostile"
CR = b"1.2.840.10008.5.1.4.1.1.1"
EXPLICIT = b"1.2.840.10008.1.2.1"
IMPLICIT = b"1.2.840.10008.1.2"
BIG = b"1.2.840.10008.1.2.2"
DEFLATED = b"1.2.840.10008.1.2.1.99"
JPEG = b"1.2.840.10008.1.2.4.50"
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}
UNDEFINED = 0xFFFFFFFF
ROOT = b"2.25.7001"


def head(group, number, vr, length):
    if vr in LONG:
        return struct.pack("<HH2sHI", group, number, vr, 0, length)
    return struct.pack("<HH2sH", group, number, vr, length)


def element(group, number, vr, value):
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    return head(group, number, vr, len(value)) + value


def mark(number, length):
    return struct.pack("<HHI", 0xFFFE, number, length)


def u16(number):
    return struct.pack("<H", number)


def body(uid, *, study=ROOT + b".1", series=ROOT + b".2", name=b"Hostile^Sample", patient=b"HOSTILE",
         charset=b"ISO_IR 100", rows=16, columns=16, frames=b"", bits=(16, 12, 11), extra=b"", pixels=None):
    """A chest film of CR; `extra` stands before the pixels."""
    if pixels is None:
        pixels = element(0x7FE0, 0x0010, b"OW", bytes(rows * columns * 2))
    parts = [
        element(0x0008, 0x0005, b"CS", charset),
        element(0x0008, 0x0016, b"UI", CR),
        element(0x0008, 0x0018, b"UI", uid),
        element(0x0008, 0x0060, b"CS", b"CR"),
        element(0x0010, 0x0010, b"PN", name),
        element(0x0010, 0x0020, b"LO", patient),
        element(0x0018, 0x0015, b"CS", b"CHEST"),
        element(0x0018, 0x5101, b"CS", b"PA"),
        element(0x0020, 0x000D, b"UI", study),
        element(0x0020, 0x000E, b"UI", series),
        element(0x0028, 0x0002, b"US", u16(1)),
        element(0x0028, 0x0004, b"CS", b"MONOCHROME2"),
        element(0x0028, 0x0008, b"IS", frames) if frames else b"",
        element(0x0028, 0x0010, b"US", u16(rows)),
        element(0x0028, 0x0011, b"US", u16(columns)),
        element(0x0028, 0x0100, b"US", u16(bits[0])),
        element(0x0028, 0x0101, b"US", u16(bits[1])),
        element(0x0028, 0x0102, b"US", u16(bits[2])),
        element(0x0028, 0x0103, b"US", u16(0)),
        extra,
        pixels,
    ]
    return b"".join(parts)


def file(uid, data_set, syntax=EXPLICIT):
    meta = b"".join([
        element(0x0002, 0x0001, b"OB", b"\0\1"),
        element(0x0002, 0x0002, b"UI", CR),
        element(0x0002, 0x0003, b"UI", uid),
        element(0x0002, 0x0010, b"UI", syntax),
        element(0x0002, 0x0012, b"UI", ROOT),
    ])
    group_length = element(0x0002, 0x0000, b"UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + group_length + meta + data_set


def nested(depth):
    """Sequences within sequences; the innermost item is empty."""
    return b"".join(
        [head(0x0040, 0xA730, b"SQ", UNDEFINED) + mark(0xE000, UNDEFINED)] * depth
        + [mark(0xE00D, 0) + mark(0xE0DD, 0)] * depth
    )


def deflate(data_set):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeeze.compress(data_set) + squeeze.flush()


def corpus():
    """Name, answer, what is wrong, file."""
    numbers = iter(range(1, 1000))

    def one(name, answer, why, make, *, syntax=EXPLICIT, meta_uid=None):
        uid = ROOT + b".9.%d" % next(numbers)
        return name, answer, why, file(meta_uid or uid, make(uid), syntax)

    too_far = "the length runs past the end of the file"
    yield one("nested-64", 0x0000, "sequences nested 64 deep: the deepest that is taken", lambda u: body(u, extra=nested(64)))
    yield one("nested-65", 0xC000, "sequences nested 65 deep", lambda u: body(u, extra=nested(65)))
    yield one("nested-10000", 0xC000, "sequences nested 10,000 deep: kills receivers that recurse", lambda u: body(u, extra=nested(10_000)))
    for vr in (b"OB", b"OW", b"UN", b"UT", b"SQ"):
        for size, words in ((0xFFFFFFFE, "4gb"), (0x7FFFFFFE, "2gb")):
            yield one(f"length-{words}-{vr.decode().lower()}", 0xC000, f"an element of VR {vr.decode()} says it has {size} bytes; {too_far}",
                      lambda u, vr=vr, size=size: body(u, pixels=head(0x0042, 0x0011, vr, size) + b"abcd"))
    yield one("length-past-item", 0xC000, "an element is longer than the item that holds it",
              lambda u: body(u, extra=head(0x0040, 0xA730, b"SQ", 24) + mark(0xE000, 16) + head(0x0040, 0xA160, b"UT", 400) + bytes(412)))
    yield one("truncated-pixels", 0xC000, "the pixels end after 100 of 512 bytes", lambda u: body(u)[:-412])
    yield one("truncated-header", 0xC000, "the file ends inside an element header", lambda u: body(u, pixels=b"\xe0\x7f\x10\x00OW"))
    yield one("truncated-sequence", 0xC000, "a sequence of undefined length is never ended", lambda u: body(u, extra=head(0x0040, 0xA730, b"SQ", UNDEFINED) + mark(0xE000, UNDEFINED), pixels=b""))
    yield one("delimiter-stray", 0xC000, "a sequence delimiter outside of any sequence", lambda u: body(u, extra=mark(0xE0DD, 0)))
    yield one("item-stray", 0xC000, "an item outside of any sequence", lambda u: body(u, extra=mark(0xE000, 0)))
    yield one("element-in-sequence", 0xC000, "an element where an item must be", lambda u: body(u, extra=head(0x0040, 0xA730, b"SQ", UNDEFINED) + element(0x0008, 0x0060, b"CS", b"CR")))
    yield one("undefined-length-text", 0xC000, "a text of undefined length", lambda u: body(u, extra=head(0x0042, 0x0011, b"UT", UNDEFINED)))
    yield one("vr-lower-case", 0xC000, "a value representation of lower-case letters", lambda u: body(u, extra=b"\x32\x00\x60\x10lo\x02\x00AB"))
    yield one("vr-nul", 0xC000, "implicit elements in a file that says explicit", lambda u: body(u, extra=struct.pack("<HHI", 0x0032, 0x1060, 2) + b"AB"))
    yield one("group-2-in-data-set", 0xC000, "file meta information within the data set: another transfer syntax for those who believe it", lambda u: element(0x0002, 0x0010, b"UI", BIG) + body(u))
    yield one("group-0-in-data-set", 0xC000, "a command element within the data set", lambda u: head(0x0000, 0x0100, b"US", 2) + u16(0x0030) + body(u))
    yield one("uid-twice", 0xC000, "two SOP Instance UIDs: two readers may take different ones", lambda u: body(u, extra=element(0x0008, 0x0018, b"UI", u + b".1")))
    for name, uid, what in (
        ("path", b"../../../../tmp/owned", "a relative path"),
        ("absolute", b"/etc/passwd", "an absolute path"),
        ("nul", b"1.2.3\0.4", "a NUL in the middle"),
        ("65-characters", b"1." + b"2" * 63, "65 characters"),
        ("letters", b"1.2.abc", "letters"),
        ("empty", b"", "nothing"),
    ):
        yield one(f"uid-instance-{name}", 0xC000, f"the SOP Instance UID holds {what}", lambda u, uid=uid: body(uid))
        yield one(f"uid-study-{name}", 0xC000, f"the Study Instance UID holds {what}", lambda u, uid=uid: body(u, study=uid))
    yield one("uid-command-path", 0x0117, "the UID is a path in the command, too", lambda u: body(b"../../tmp/owned"), meta_uid=b"../../tmp/owned")
    yield one("deflate-bomb", 0xC000, "64 kB that inflate to 64 MB of text, behind which the data set is cut",
              lambda u: deflate(body(u, pixels=head(0x0042, 0x0011, b"UT", 0x04000002) + bytes(64 << 20))), syntax=DEFLATED)
    yield one("deflate-damaged", 0xC000, "a deflated data set with a changed byte", lambda u: (lambda d: d[:40] + b"\xff\xff\xff" + d[43:])(deflate(body(u))), syntax=DEFLATED)
    yield one("deflate-cut", 0xC000, "a deflated data set that ends early", lambda u: deflate(body(u))[:-20], syntax=DEFLATED)
    yield one("not-deflated", 0xC000, "a plain data set that says it is deflated", body, syntax=DEFLATED)
    yield one("explicit-as-implicit", 0xC000, "explicit elements in a file that says implicit", body, syntax=IMPLICIT)
    yield one("little-as-big", 0xC000, "a little endian data set that says it is big endian", body, syntax=BIG)
    yield one("fragments-without-end", 0xC000, "encapsulated pixels without a delimiter",
              lambda u: body(u, pixels=head(0x7FE0, 0x0010, b"OB", UNDEFINED) + mark(0xE000, 0) + mark(0xE000, 4) + b"\xff\xd8\xff\xd9"), syntax=JPEG)
    kept = "; stored, and given a reason instead of a score"
    yield one("fragments-of-noise", 0x0000, "encapsulated pixels that are no JPEG" + kept,
              lambda u: body(u, pixels=head(0x7FE0, 0x0010, b"OB", UNDEFINED) + mark(0xE000, 0) + mark(0xE000, 64) + bytes(range(64)) + mark(0xE0DD, 0)), syntax=JPEG)
    yield one("pixels-missing", 0x0000, "an image without pixels" + kept, lambda u: body(u, pixels=b""))
    yield one("dimensions-lie", 0x0000, "16 x 16 pixels that say 4,000 x 4,000" + kept, lambda u: body(u, rows=4000, columns=4000, pixels=element(0x7FE0, 0x0010, b"OW", bytes(512))))
    yield one("frames-lie", 0x0000, "512 bytes that say 65,535 x 65,535 x 100,000 frames" + kept, lambda u: body(u, rows=65535, columns=65535, frames=b"100000", pixels=element(0x7FE0, 0x0010, b"OW", bytes(512))))
    yield one("dimensions-zero", 0x0000, "no rows and no columns" + kept, lambda u: body(u, rows=0, columns=0))
    yield one("bits-wrong", 0x0000, "32 bits stored in 8 bits allocated" + kept, lambda u: body(u, bits=(8, 32, 31)))
    yield one("charset-unknown", 0x0000, "a character set that is none; the name is kept with replacement characters", lambda u: body(u, charset=b"ISO_IR 9999", name=b"\xc4\xd6\xdc^\xff"))
    yield one("patient-id-empty", 0x0000, "no patient id; kept, nothing to match on", lambda u: body(u, patient=b""))
    yield one("markup-in-text", 0x0000, "script, terminal escapes, line breaks, a formula and a bidirectional override in name and patient id",
              lambda u: body(u, charset=b"ISO_IR 192", name="<script>alert(1)</script>^\x1b[31m\r\n%s\u202egnp".encode(), patient=b"=cmd|' /C calc'!A0"))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*.*"):
        old.unlink()
    for name, answer, why, content in corpus():
        (OUT / f"{name}.dcm").write_bytes(content)
        (OUT / f"{name}.txt").write_text(f"answer: 0x{answer:04X}\n{why}.\n")


if __name__ == "__main__":
    main()
