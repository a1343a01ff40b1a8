"""Brings the bytes of a text file to valid UTF-8 by a fixed ladder: UTF-8 (with or without BOM), then GB18030.

The text never becomes one Python string: a day of a large chain would take three times its size.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

import numpy
import pyarrow as pa

from dagster_project.landing.readers.model import UnreadableFileError
from dagster_project.lang import tr

_BOM = b"\xef\xbb\xbf"
# small pieces stay in the processor's cache: a quarter faster than megabytes
_CHUNK = 64 << 10
# a Chinese character in UTF-8; text in GB18030 hardly ever forms a row of them by chance
_UTF8_HAN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}")
_MANY_HAN = 20


@dataclass(frozen=True)
class Utf8:
    """Valid UTF-8 without BOM and NUL bytes; `encoding` is what the file was in, `notes` what was mended."""

    content: pa.Buffer
    encoding: str
    notes: list[str] = field(default_factory=list)


def to_utf8(data: bytes) -> Utf8:
    """Decodes strictly.

    Raises:
        UnreadableFileError: UTF-16, damaged UTF-8, or neither UTF-8 nor GB18030.
    """
    notes = []
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or _is_wide(data[:4096]):
        raise UnreadableFileError(tr("文件是 UTF-16 编码，请另存为 UTF-8", "UTF-16 text; save it as UTF-8"))
    if b"\0" in data:
        # a NUL is never part of a character in either encoding: broken transfers and pre-sized files leave them
        count = data.count(b"\0")
        data = data.replace(b"\0", b"")
        notes.append(tr(f"去掉了 {count} 个 NUL 字节", f"{count} NUL bytes were left out"))
    content = pa.py_buffer(data)
    has_bom = data.startswith(_BOM)
    if has_bom:
        content = content.slice(len(_BOM))
    if _is_valid_utf8(content):
        return Utf8(content, "utf-8-sig" if has_bom else "utf-8", notes)
    bad = _first_invalid(content)
    if has_bom or _is_damaged_utf8(content, bad):
        line = bytes(content[:bad]).count(b"\n") + 1
        raise UnreadableFileError(
            tr(
                f"第 {line} 行起不是完整的 UTF-8，文件可能被截断或混入其他编码，请重新导出",
                f"damaged UTF-8 at line {line}: cut off or mixed with another encoding; export it again",
            )
        )
    return Utf8(_from_gb18030(content), "gb18030", notes)


def _is_wide(head: bytes) -> bool:
    """UTF-16 without its mark: plain letters leave a NUL in every second place, always on the same side."""
    count = head.count(b"\0")
    if count < 4 or count * 8 < len(head):
        return False
    return 0 in (head[::2].count(b"\0"), head[1::2].count(b"\0"))


def _is_valid_utf8(content: pa.Buffer) -> bool:
    offsets = pa.py_buffer(numpy.array([0, content.size], dtype=numpy.int64))
    try:
        # Arrow's check reads gigabytes a second and makes no copy
        pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, content]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _first_invalid(content: pa.Buffer) -> int:
    """Offset of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, content.size, _CHUNK):
        chunk = bytes(content[start : start + _CHUNK])
        try:
            decoder.decode(chunk, final=start + _CHUNK >= content.size)
        except UnicodeDecodeError as error:
            return start - (len(error.object) - len(chunk)) + error.start
    return content.size


def _is_damaged_utf8(content: pa.Buffer, bad: int) -> bool:
    """Text that was UTF-8 up to the bad byte must not be read as GB18030: it would load as rubbish."""
    before = bytes(content[max(0, bad - 65536) : bad])
    han = len(_UTF8_HAN.findall(before))
    if han >= _MANY_HAN:
        return True
    is_cut_at_end = content.size - bad <= 2
    return is_cut_at_end and han >= 2 and len(_UTF8_HAN.sub(b"", before)) == len(before) - 3 * han


def _from_gb18030(content: pa.Buffer) -> pa.Buffer:
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    out = pa.BufferOutputStream()
    try:
        for start in range(0, content.size, _CHUNK):
            last = start + _CHUNK >= content.size
            out.write(decoder.decode(bytes(content[start : start + _CHUNK]), final=last).encode("utf-8"))
    except UnicodeError:
        raise UnreadableFileError(
            tr("既不是 UTF-8 也不是 GB18030 编码，请另存为 UTF-8", "neither UTF-8 nor GB18030 text")
        ) from None
    return out.getvalue()
