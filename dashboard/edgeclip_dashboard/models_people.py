"""Tables of people and of what they say: accounts, sign-ins, verdicts, the book of who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from edgeclip_dashboard.models import Base, UtcDateTime


class Account(Base):
    """A person who may sign in; `role` is viewer, reviewer or admin."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(Text)
    must_change: Mapped[bool]
    is_disabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignIn(Base):
    """An open session, known by the hash of its cookie's token."""

    __tablename__ = "sign_ins"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FailedSignIn(Base):
    """A wrong password, so that guessing becomes slow on every instance."""

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index("failed_sign_ins_recent", "name", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """What a program shows in place of a session; known by the hash of the token."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Verdict(Base):
    """What a person said of a detection; rows are only ever added, the newest counts.

    `verdict` is right, wrong (nothing of the kind is there) or other (another species is).
    """

    __tablename__ = "verdicts"
    __table_args__ = (Index("verdicts_of_detection", "detection_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    detection_id: Mapped[str] = mapped_column(String(36))
    rev: Mapped[int] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(8))
    class_name: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text)
    account_name: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Deed(Base):
    """Who did what, when: sign-ins, accounts, commands, exports, rules."""

    __tablename__ = "deeds"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    account_name: Mapped[str] = mapped_column(String(64))
    deed: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(Text)
