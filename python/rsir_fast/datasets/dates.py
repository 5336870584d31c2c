"""When an image was taken: of a date that a user states, of the name of its file, or of the tags in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

__all__ = ["Dating", "time_of_tags"]

_PARTS = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>0[1-9]|1[0-2])",
    "d": r"(?P<d>0[1-9]|[12][0-9]|3[01])",
    "j": r"(?P<j>00[1-9]|0[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])",
    "H": r"(?P<H>[01][0-9]|2[0-3])",
    "M": r"(?P<M>[0-5][0-9])",
    "S": r"(?P<S>[0-5][0-9])",
}
"""What placeholders stand for: as `strptime`, with a zero before single digits."""

_TAGS = (("ACQUISITIONDATETIME", "%Y-%m-%d %H:%M:%S"), ("TIFFTAG_DATETIME", "%Y:%m:%d %H:%M:%S"))
_EXAMPLE = "a date (2024-05-01), an interval (2024-05-01/2024-05-31), or a pattern of file names (*_%Y%m%d*)"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Dating:
    """Where the times of images come from.

    Attributes
    ----------
    time : int or None
        Of all of them, microseconds since 1970 (UTC).
    pattern : str
        Of file names, where there is no one time: ``*_%Y%m%d*``.

    Examples
    --------
    >>> Dating.parse("*_%Y%m%d").of_name("m_4709963_se_14_1_20090818.tif") == Dating.parse("2009-08-18").time
    True
    """

    time: int | None = None
    pattern: str = ""

    @classmethod
    def parse(cls, text: str) -> Dating:
        """Understand a date or time (ISO 8601), an interval of two, whose start counts, or a pattern.

        In a pattern ``%Y %y %m %d %j %H %M %S`` stand for digits as in `strptime`, ``*`` for anything, ``?`` for one
        character. It is searched anywhere in the name, but never begins or ends between two digits. Times without an
        offset are UTC.

        Raises
        ------
        ValueError
            For anything else, saying what is expected.
        """
        if "%" in text:
            found = cls(pattern=text)
            if not {"Y", "y"} & set(re.findall("%(.)", text)) or found._expression is None:
                raise ValueError(
                    f"date: expected a pattern with a year (%Y or %y) and each of %m %d %j %H %M %S once at most, such "
                    f"as *_%Y%m%d*, got {text!r}"
                )
            return found
        try:
            return cls(_microseconds(_iso(text.partition("/")[0])))
        except (ValueError, OverflowError):
            raise ValueError(f"date: expected {_EXAMPLE}, got {text!r}") from None

    @property
    def _expression(self) -> re.Pattern[str] | None:
        parts = re.findall(r"%.?|\*|\?|[^%*?]+", self.pattern)
        special = {"*": ".*?", "?": ".", "%%": "%"}
        try:
            written = [
                special.get(part) or (_PARTS[part[1:]] if part.startswith("%") else re.escape(part)) for part in parts
            ]
            return re.compile(f"(?<![0-9])(?:{''.join(written)})(?![0-9])")
        except (KeyError, re.error):
            return None

    def of_name(self, name: str) -> int | None:
        """Return the time of an image by the name of its file; None where the pattern finds none.

        Raises
        ------
        ValueError
            If it finds several.
        """
        if not self.pattern:
            return self.time
        assert self._expression is not None  # by `parse`
        found = {_of_parts(match.groupdict()) for match in self._expression.finditer(name)} - {None}
        if len(found) > 1:
            raise ValueError(
                f"date: expected one date by the pattern {self.pattern} in {name}, found {len(found)}; put more of the "
                "name into the pattern"
            )
        return next(iter(found), None)


def time_of_tags(tags: Mapping[str, str]) -> int | None:
    """Return the time that the tags of a file state; None where they state none that makes sense.

    Parameters
    ----------
    tags
        As GDAL names them: ``ACQUISITIONDATETIME``, else ``TIFFTAG_DATETIME``; taken for UTC.

    Examples
    --------
    >>> time_of_tags({"TIFFTAG_DATETIME": "1970:01:01 00:00:01"}), time_of_tags({"TIFFTAG_DATETIME": "none"})
    (1000000, None)
    """
    for name, form in _TAGS:
        with contextlib.suppress(KeyError, ValueError):
            return _microseconds(datetime.strptime(tags[name].strip()[:19], form))
    return None


def _iso(text: str) -> datetime:
    text = re.sub(r"[zZ]$", "+00:00", text.strip())
    if re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", text):
        text += "-01-01"[: 10 - len(text)] if len(text) == 4 else "-01"
    return datetime.fromisoformat(text)


def _of_parts(parts: Mapping[str, str]) -> int | None:
    year = parts.get("Y") or ("20" if parts["y"] < "69" else "19") + parts["y"]  # as strptime
    try:
        start = datetime(int(year), int(parts.get("m", 1)), int(parts.get("d", 1)))
        if "j" in parts:
            start = datetime(int(year), 1, 1) + timedelta(int(parts["j"]) - 1)
            if start.year != int(year):
                return None
        return _microseconds(
            start.replace(hour=int(parts.get("H", 0)), minute=int(parts.get("M", 0)), second=int(parts.get("S", 0)))
        )
    except (ValueError, OverflowError):
        return None


def _microseconds(when: datetime) -> int:
    when = when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when
    return (when - _EPOCH) // timedelta(microseconds=1)
