"""chain.yml and stores.csv."""

from __future__ import annotations

import csv
import io
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)

from dagster_project.config.decisions import DECISIONS_FILE, check_connections
from dagster_project.config.document import Document, KeyPath, read_document
from dagster_project.config.errors import ConfigError
from dagster_project.config.rules import Rules, check_factors, load_rules
from dagster_project.contracts import Feed
from dagster_project.contracts import feed as contract_feed
from dagster_project.lang import tr
from dagster_project.presets import Preset, PresetError, load_chain_preset, load_preset

RESERVED_CONNECTION = "linli"  # our own feedback feeds in the lake
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ADDRESSES = ("base_url", "endpoint")
_TARGET_SECRETS = ("secret", "access_key_secret")
_Cell = TypeVar("_Cell")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def clock_minutes(text: object) -> object:
    """'04:00' → 240 minutes after midnight."""
    match = _CLOCK.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(tr(f"{text!r} 不是 HH:MM 形式的时间", f"{text!r} is not a time like 04:00"))
    return int(match.group(1)) * 60 + int(match.group(2))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainSection(_Strict):
    code: str = Field(min_length=1)
    name: str
    timezone: str = "Asia/Shanghai"
    business_day_cutover: Annotated[int, BeforeValidator(clock_minutes)] = 240

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(
                tr(f"不认识的时区 {value!r}，例如 Asia/Shanghai", f"unknown time zone {value!r}")
            ) from None
        return value


def _definition(preset: str, folder: object) -> Preset:
    return load_chain_preset(folder, preset) if isinstance(folder, Path) else load_preset(preset)


class Connection(BaseModel):
    """One source system. Keys beside `name` and `preset` are the preset's settings, as texts.

    Validated with the chain's folder of own presets as context; without one only the presets that everybody has count.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    preset: str
    _definition: Preset = PrivateAttr()

    def __repr__(self) -> str:  # settings may be secret
        return f"Connection(name={self.name!r}, preset={self.preset!r})"

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value) or value == RESERVED_CONNECTION:
            raise ValueError(
                tr(
                    f"连接名 {value!r} 只能用字母、数字、下划线，且不能叫 {RESERVED_CONNECTION}",
                    f"bad connection name {value!r}",
                )
            )
        return value

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str, info: ValidationInfo) -> str:
        try:
            _definition(value, info.context)
        except PresetError as error:
            raise ValueError(str(error)) from None
        return value

    def model_post_init(self, context: object, /) -> None:
        self._definition = _definition(self.preset, context)

    @property
    def definition(self) -> Preset:
        return self._definition

    @property
    def kind(self) -> str:
        return self.definition.kind

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Canonical feeds that this connection can bring, in contract order."""
        return tuple(contract_feed(self.kind, name) for name in self.definition.feeds)

    @property
    def is_api(self) -> bool:
        return self.definition.transport != "files"

    @property
    def settings(self) -> dict[str, str]:
        """Every setting that has a value: as given in chain.yml, else the preset's default."""
        given = {name: value for name, value in (self.model_extra or {}).items() if value is not None}
        defaults = {n: s.default for n, s in self.definition.settings.items() if s.default is not None}
        return defaults | given

    @property
    def folders(self) -> dict[str, str]:
        """Landing folder name → the preset's table (for standard files: the feed)."""
        tables = self.definition.tables
        if not tables:
            return {feed.name: feed.name for feed in self.feeds}
        return {folder: name for name, table in tables.items() for folder in (name, *table.folders)}


class Target(_Strict):
    """One system we push to. SMS targets are accepted here; their sender comes with a later release."""

    name: str
    kind: str
    base_url: str | None = None
    corp_id: str | None = None
    secret: str | None = Field(default=None, repr=False)
    endpoint: str | None = None
    access_key_id: str | None = Field(default=None, repr=False)
    access_key_secret: str | None = Field(default=None, repr=False)
    sign_name: str | None = None

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in ("wecom", "groupbuy_file", "aliyun_sms"):
            raise ValueError(
                tr(
                    f"不认识的 kind {value!r}。可用：wecom, groupbuy_file, aliyun_sms",
                    f"unknown target kind {value!r}",
                )
            )
        return value


class _ChainFile(_Strict):
    chain: ChainSection
    connections: tuple[Connection, ...] = Field(min_length=1)
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Store:
    """One row of stores.csv. `cutover_minutes` is None when the chain's own cut-over applies."""

    store_code: str
    store_name: str
    lng: float | None = None
    lat: float | None = None
    opened_on: date | None = None
    cutover_minutes: int | None = None
    manager_wecom_userid: str | None = None
    wecom_department: str | None = None


@dataclass(frozen=True)
class ChainPaths:
    """Where a chain folder keeps what."""

    root: Path

    @property
    def presets(self) -> Path:
        """The chain's own presets, if it has any."""
        return self.root / "presets"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def dagster_home(self) -> Path:
        return self.root / ".dagster"


@dataclass(frozen=True)
class Chain:
    """A validated chain folder. `warnings`: what works but should be mended, a line each, with its place."""

    root: Path
    code: str
    name: str
    timezone: str
    cutover_minutes: int
    connections: tuple[Connection, ...]
    targets: tuple[Target, ...]
    stores: tuple[Store, ...]
    rules: Rules
    warnings: tuple[str, ...] = ()

    @property
    def paths(self) -> ChainPaths:
        return ChainPaths(self.root)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def connection(self, name: str) -> Connection:
        return next(connection for connection in self.connections if connection.name == name)

    def target(self, kind: str) -> Target | None:
        """The first target of a kind, or None."""
        return next((target for target in self.targets if target.kind == kind), None)


def load_chain(root: Path, *, resolve_secrets: bool = True) -> Chain:
    """Reads and checks a chain folder.

    Args:
        root: the chain folder.
        resolve_secrets: off to look at the shape only (Dagster's definitions need no secret).

    Raises:
        ConfigError: names file, line, key and the mend.
    """
    root = Path(root).absolute()
    document = read_document(root / "chain.yml", resolve=resolve_secrets)
    if not isinstance(document.data, dict):
        raise document.error(
            (), tr("应当是键值结构，见 linli init 生成的样例", "must be a mapping; see linli init")
        )
    parsed = document.parse(_ChainFile, context=ChainPaths(root).presets)
    _check_connections(document, parsed)
    _check_targets(document, parsed)
    rules = load_rules(root / "rules")
    known = {connection.name: connection.kind for connection in parsed.connections}
    check_connections(root / "rules" / DECISIONS_FILE, rules.identity_decisions, known)
    check_factors(root / "rules", rules.ledger, tuple(known))
    return Chain(
        root=root,
        code=parsed.chain.code,
        name=parsed.chain.name,
        timezone=parsed.chain.timezone,
        cutover_minutes=parsed.chain.business_day_cutover,
        connections=parsed.connections,
        targets=parsed.targets,
        stores=_read_stores(root / "stores.csv"),
        rules=rules,
        warnings=tuple(_secret_warnings(document, parsed)),
    )


def packaged_chain() -> Chain:
    """The commented chain that `linli init` writes; lets definitions load where no chain exists yet."""
    with as_file(files("dagster_project").joinpath("templates/chain")) as folder:
        return load_chain(folder, resolve_secrets=False)


def _check_connections(document: Document, parsed: _ChainFile) -> None:
    seen: set[str] = set()
    for index, connection in enumerate(parsed.connections):
        at = ("connections", index)
        if connection.name in seen:
            raise document.error(
                (*at, "name"),
                tr(f"连接名 {connection.name} 重复", f"connection {connection.name} given twice"),
            )
        seen.add(connection.name)
        _check_settings(document, at, connection)
        _check_address(document, (*at, "base_url"), connection.settings.get("base_url"))


def _check_targets(document: Document, parsed: _ChainFile) -> None:
    seen: set[str] = set()
    for index, target in enumerate(parsed.targets):
        at = ("targets", index)
        if target.name in seen:
            raise document.error(
                (*at, "name"), tr(f"推送目标名 {target.name} 重复", f"target {target.name} given twice")
            )
        seen.add(target.name)
        for key in ("base_url", "corp_id", "secret"):
            if target.kind == "wecom" and not getattr(target, key):
                raise document.error((*at, key), tr(f"wecom 目标需要 {key}", f"a wecom target needs {key}"))
        _check_address(document, (*at, "base_url"), target.base_url)


def _check_address(document: Document, key: KeyPath, text: str | None) -> None:
    # an address from a variable that is not resolved cannot be judged
    if text is None or "${" in text:
        return
    try:
        address = urlsplit(text)
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", text):
        raise document.error(
            key,
            tr(
                f"{text!r} 不是完整的地址，要以 https:// 开头，例如 https://qyapi.weixin.qq.com",
                f"{text!r} is no full address: it starts with https://, such as https://qyapi.weixin.qq.com",
            ),
        )


def _secret_warnings(document: Document, parsed: _ChainFile) -> Iterator[str]:
    """Secrets that stand in the file, or that would cross a network in the clear. No value is ever told."""
    holders: list[tuple[KeyPath, str, dict[str, str], list[str]]] = []
    for index, connection in enumerate(parsed.connections):
        secrets = [name for name, setting in connection.definition.settings.items() if setting.secret]
        holders.append((("connections", index), connection.name, connection.settings, secrets))
    for index, target in enumerate(parsed.targets):
        given = {name: value for name, value in target.model_dump().items() if value is not None}
        holders.append((("targets", index), target.name, given, list(_TARGET_SECRETS)))
    for at, owner, settings, secrets in holders:
        held = [name for name in secrets if settings.get(name)]
        for name in held:
            if (*at, name) not in document.variables:
                variable = _variable_name(owner, name)
                yield str(
                    document.error(
                        (*at, name),
                        tr(
                            f"密钥直接写在文件里。请改成 ${{{variable}}}，再 export {variable}=…",
                            f"a secret stands in the file: write ${{{variable}}} and export {variable}=…",
                        ),
                    )
                )
        for name in _ADDRESSES:
            if held and _is_plain_network(settings.get(name, "")):
                yield str(
                    document.error(
                        (*at, name),
                        tr(
                            "密钥会以明文经过网络（http://）。对方支持的话请改成 https://",
                            "secrets would cross the network in the clear (http://); use https:// if the vendor has it",
                        ),
                    )
                )


def _variable_name(owner: str, key: str) -> str:
    return re.sub(r"\W", "_", f"{owner}_{key}", flags=re.ASCII).upper()


def _is_plain_network(address: str) -> bool:
    """Whether calls to an address leave this machine unencrypted."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _check_settings(document: Document, at: tuple[str | int, ...], connection: Connection) -> None:
    known = connection.definition.settings
    for key, value in (connection.model_extra or {}).items():
        if key not in known:
            listed = ", ".join(sorted({"name", "preset", *known}))
            raise document.error(
                (*at, key),
                tr(
                    f"不认识的键。{connection.preset} 可用的键：{listed}",
                    f"unknown key; {connection.preset} knows: {listed}",
                ),
            )
        if value is not None and not isinstance(value, str):
            raise document.error((*at, key), tr("应当是一个值", "must be a single value"))
        if value is not None and known[key].choices and value not in known[key].choices:
            listed = ", ".join(known[key].choices)
            raise document.error(
                (*at, key), tr(f"{value!r} 不可用，可选：{listed}", f"{value!r} is none of: {listed}")
            )
    for key, setting in known.items():
        if setting.required and not connection.settings.get(key):
            raise document.error(
                (*at, key), tr(f"{connection.preset} 需要 {key}", f"{connection.preset} needs {key}")
            )


def _read_stores(path: Path) -> tuple[Store, ...]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(path, None, "", tr("缺少门店表 stores.csv", "stores.csv is missing")) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError:
            raise ConfigError(
                path, None, "", tr("请把文件存成 UTF-8 编码", "save the file as UTF-8")
            ) from None
    reader = csv.DictReader(io.StringIO(text))
    try:
        if "store_code" not in (reader.fieldnames or []):
            raise ConfigError(path, 1, "store_code", tr("表头缺少 store_code", "the header lacks store_code"))
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ConfigError(
            path, reader.line_num or None, "", tr(f"CSV 写法有误：{error}", f"bad CSV: {error}")
        ) from None
    return _stores(path, rows)


def _stores(path: Path, rows: list[tuple[int, dict[str, str | None]]]) -> tuple[Store, ...]:
    stores: dict[str, Store] = {}
    for line, row in rows:
        code = (row.get("store_code") or "").strip()
        if not code:
            raise ConfigError(path, line, "store_code", tr("门店编码为空", "empty store code"))
        if code in stores:
            raise ConfigError(path, line, "store_code", tr(f"门店 {code} 重复", f"store {code} given twice"))
        stores[code] = Store(
            store_code=code,
            store_name=(row.get("store_name") or "").strip() or code,
            lng=_cell(path, line, row, "lng", _degrees),
            lat=_cell(path, line, row, "lat", _degrees),
            opened_on=_cell(path, line, row, "opened_on", _day),
            cutover_minutes=_cell(path, line, row, "business_day_cutover", _minutes),
            manager_wecom_userid=_cell(path, line, row, "manager_wecom_userid", str),
            wecom_department=_cell(path, line, row, "wecom_department", str),
        )
    return tuple(sorted(stores.values(), key=lambda store: store.store_code))


def _degrees(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]+)?", text):
        raise ValueError(
            tr(f"{text!r} 不是经纬度，例如 116.407", f"{text!r} is no coordinate such as 116.407")
        )
    return float(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            tr(f"{text!r} 不是日期，例如 2026-11-21", f"{text!r} is no date such as 2026-11-21")
        ) from None


def _minutes(text: str) -> int:
    minutes = clock_minutes(text)
    assert isinstance(minutes, int)
    return minutes


def _cell(
    path: Path, line: int, row: dict[str, str | None], key: str, convert: Callable[[str], _Cell]
) -> _Cell | None:
    text = (row.get(key) or "").strip()
    if not text:
        return None
    try:
        return convert(text)
    except ValueError as error:
        raise ConfigError(path, line, key, str(error)) from None
