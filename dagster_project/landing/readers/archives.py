"""Opens what wraps a file: gzip and zip, within limits, and never a byte on disk."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib

from dagster_project.landing.readers.model import UnreadableFileError
from dagster_project.lang import tr

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_MAGIC = b"\x1f\x8b"

# a day of a large chain is 120 MB; what unpacks to more than this would not fit the memory budget anyway
MAX_BYTES = 1 << 30
# text compresses 5 to 50 times; only nothing-but-repetition goes beyond this, and only a large one is a danger
_MAX_RATIO = 300
_RATIO_FROM = 64 << 20
_MAX_MEMBERS = 10_000

_WORKBOOK_PARTS = ("[Content_Types].xml", "_rels/", "docProps/", "xl/", "mimetype", "META-INF/", "Index/")
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


def unpack_gzip(data: bytes) -> bytes:
    """The content of a gzip file.

    Raises:
        UnreadableFileError: truncated or damaged, or it would unpack beyond the limits.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            content = packed.read(MAX_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableFileError(
            tr(f"gzip 不完整：{error}。请重新导出", f"truncated gzip: {error}; export it again")
        ) from None
    _check_expansion(len(data), len(content))
    return content


def is_workbook_zip(data: bytes) -> bool:
    """Whether a zip is a workbook; told by the names of its parts, so that a damaged one is told as well."""
    first = data[30 : 30 + int.from_bytes(data[26:28], "little")].decode("utf-8", "replace")
    if first.startswith(_WORKBOOK_PARTS):
        return True
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return "[Content_Types].xml" in packed.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return False


def check_workbook_zip(data: bytes) -> None:
    """Refuses a workbook that would unpack beyond the limits; damage is left to the workbook reader."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(info.file_size for info in packed.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return
    _check_expansion(len(data), size)


def archive_members(data: bytes, name: str, *, password: str | None = None) -> list[tuple[str, bytes]] | None:
    """The files inside a zip as (name/member, content), sorted by name; None when `data` is no archive.

    A workbook is no archive. Folders, `__MACOSX` and hidden files are left out; a zip inside the zip is not opened.

    Raises:
        UnreadableFileError: damaged, locked without the right password, or it would unpack beyond the limits.
    """
    if data[:4] not in ZIP_MAGIC or is_workbook_zip(data):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            infos = [(path, info) for info in packed.infolist() if (path := _member_path(info))]
            if len(infos) > _MAX_MEMBERS:
                raise UnreadableFileError(tr("压缩包里的文件过多", "too many files in the archive"))
            _check_expansion(len(data), sum(info.file_size for _, info in infos))
            members = [(f"{name}/{path}", _read_member(packed, info, password)) for path, info in infos]
    except UnreadableFileError:
        raise
    except (
        Exception
    ):  # whatever a damaged directory makes of the zip reader; its words quote names of members
        raise UnreadableFileError(
            tr("压缩包损坏或不完整，请重新导出", "the archive is damaged or incomplete; export it again")
        ) from None
    return sorted(members)


def _member_path(info: zipfile.ZipInfo) -> str:
    """The member's path without any way out of the archive; "" for what is not a file of data."""
    name = info.filename
    if info.is_dir():
        return ""
    if not info.flag_bits & _UTF8_NAME:
        # Windows tools write names in the system's code page and do not say so
        try:
            raw = name.encode("cp437")
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError:
                name = raw.decode("gb18030")
        except UnicodeError:
            name = info.filename
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    if not parts or parts[0] == "__MACOSX" or parts[-1].startswith((".", "~$")):
        return ""
    return "/".join(parts)


def _read_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo, password: str | None) -> bytes:
    locked = bool(info.flag_bits & _ENCRYPTED)
    if locked and not password:
        raise UnreadableFileError(
            tr(
                "压缩包有密码：请在 chain.yml 的连接里设置 file_password",
                "the archive is locked: set file_password in the connection in chain.yml",
            )
        )
    try:
        with packed.open(info, pwd=password.encode() if locked and password else None) as member:
            # the directory's word on the size is not taken: no more than that is read
            content = member.read(info.file_size + 1)
    except NotImplementedError:
        raise UnreadableFileError(
            tr(
                "压缩包的加密或压缩方式不支持（如 AES），请解压后放入",
                "the archive's locking or packing method (such as AES) is not supported; unpack it first",
            )
        ) from None
    except (RuntimeError, zipfile.BadZipFile, zlib.error):
        # one wrong password in 256 passes the first look and yields rubbish
        if not locked:
            raise
        raise UnreadableFileError(
            tr(
                "压缩包密码不对或已损坏：请检查 chain.yml 里的 file_password",
                "wrong password for the archive, or damage: check file_password in chain.yml",
            )
        ) from None
    if len(content) != info.file_size:
        raise UnreadableFileError(
            tr("压缩包内文件大小与目录不符", "a file in the archive is not as large as its directory says")
        )
    return content


def _check_expansion(packed: int, unpacked: int) -> None:
    if unpacked > MAX_BYTES or (unpacked > _RATIO_FROM and unpacked > packed * _MAX_RATIO):
        raise UnreadableFileError(
            tr(
                f"解压后过大（{packed} → {unpacked} 字节），请分批导出",
                f"unpacks beyond the limit ({packed} → {unpacked} bytes); export in parts",
            )
        )
