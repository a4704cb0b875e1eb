-- Times are milliseconds since the Unix epoch. States are JSON as the room machine writes it, without what has a table of its own.

CREATE TABLE rooms (
    id    TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    -- When the room was forgotten for being empty. It stays here as long as there is chat of it, for those who come back.
    gone  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE chat (
    room    TEXT NOT NULL,
    key     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX chat_by_time ON chat (time);

CREATE TABLE sessions (
    sid    TEXT PRIMARY KEY,
    -- The place of the session among all, so that participants keep their order.
    place  INTEGER NOT NULL,
    state  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row after an orderly stop: then the sessions hold all that was pending.
CREATE TABLE stopped (
    time INTEGER NOT NULL
) STRICT;

-- A call lasts from the first participant in an empty room to the last one's leaving.
CREATE TABLE calls (
    id      INTEGER PRIMARY KEY,
    room    TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended   INTEGER
) STRICT;

CREATE INDEX calls_by_time ON calls (started);

CREATE TABLE participants (
    call   INTEGER NOT NULL REFERENCES calls ON DELETE CASCADE,
    peer   TEXT NOT NULL,
    name   TEXT NOT NULL,
    role   TEXT NOT NULL,
    joined INTEGER NOT NULL,
    gone   INTEGER,
    why    TEXT,
    PRIMARY KEY (call, peer)
) STRICT, WITHOUT ROWID;

-- How a participant's connection to another one was: the last report, the worst quality, and the mean over all reports.
CREATE TABLE pairs (
    call          INTEGER NOT NULL REFERENCES calls ON DELETE CASCADE,
    peer          TEXT NOT NULL,
    other         TEXT NOT NULL,
    path          TEXT NOT NULL,
    proto         TEXT NOT NULL,
    rtt_ms        INTEGER NOT NULL,
    loss          REAL NOT NULL,
    quality       INTEGER NOT NULL,
    quality_worst INTEGER NOT NULL,
    quality_sum   INTEGER NOT NULL,
    reports       INTEGER NOT NULL,
    time          INTEGER NOT NULL,
    PRIMARY KEY (call, peer, other)
) STRICT, WITHOUT ROWID;
