-- The tables of schema version 1, as they were released.
CREATE TABLE announcements (
    detection_id VARCHAR(36) NOT NULL,
    n INTEGER NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    rev BIGINT NOT NULL,
    kind VARCHAR(8) NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    PRIMARY KEY (detection_id, n, sha256)
);
CREATE INDEX ix_announcements_sha256 ON announcements (sha256);
CREATE TABLE detections (
    detection_id VARCHAR(36) NOT NULL,
    rev BIGINT NOT NULL,
    device_id VARCHAR(32) NOT NULL,
    epoch VARCHAR(36) NOT NULL,
    deployment_id VARCHAR(32) NOT NULL,
    camera_id VARCHAR(32) NOT NULL,
    phase VARCHAR(16) NOT NULL,
    severity VARCHAR(16) NOT NULL,
    is_test BOOLEAN NOT NULL,
    is_historical BOOLEAN NOT NULL,
    class_name VARCHAR(64),
    scientific_name TEXT,
    observation_type VARCHAR(16) NOT NULL,
    probability FLOAT,
    failure VARCHAR(64),
    votes_frames BIGINT,
    votes_agreeing BIGINT,
    pack TEXT NOT NULL,
    started_at DATETIME,
    best_at DATETIME,
    ended_at DATETIME,
    first_received_at DATETIME NOT NULL,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (detection_id)
);
CREATE INDEX detections_newest ON detections (first_received_at, detection_id);
CREATE INDEX ix_detections_device_id ON detections (device_id);
CREATE TABLE devices (
    device_id VARCHAR(32) NOT NULL,
    state VARCHAR(16),
    since DATETIME,
    bdseq BIGINT,
    reason TEXT,
    deployment_id VARCHAR(32),
    camera_id VARCHAR(32),
    edgeclip_version VARCHAR(64),
    pack VARCHAR(64),
    backend VARCHAR(64),
    precision VARCHAR(64),
    source VARCHAR(64),
    machine VARCHAR(64),
    last_detection_at DATETIME,
    PRIMARY KEY (device_id)
);
CREATE TABLE edgeclip_meta (
    "key" VARCHAR(40) NOT NULL,
    value VARCHAR(200) NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE malformed (
    id INTEGER NOT NULL,
    topic TEXT NOT NULL,
    reason VARCHAR(200) NOT NULL,
    payload BLOB NOT NULL,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE media (
    sha256 VARCHAR(64) NOT NULL,
    size_bytes INTEGER NOT NULL,
    device_id VARCHAR(32) NOT NULL,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (sha256)
);
CREATE TABLE outbox_rows (
    device_id VARCHAR(32) NOT NULL,
    epoch VARCHAR(36) NOT NULL,
    seq BIGINT NOT NULL,
    refused VARCHAR(200),
    PRIMARY KEY (device_id, epoch, seq)
);
CREATE TABLE revisions (
    detection_id VARCHAR(36) NOT NULL,
    rev BIGINT NOT NULL,
    payload TEXT NOT NULL,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (detection_id, rev)
);
