-- A certificate names no device: its serial finds it.
CREATE UNIQUE INDEX devices_by_serial ON devices (certificate_serial)
    WHERE certificate_serial IS NOT NULL;
