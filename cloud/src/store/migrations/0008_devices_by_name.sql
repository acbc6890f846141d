-- A certificate's name finds its device. It changes once in an epoch, a serial at every check-in: an
-- index on serials was rewritten, at two random places, each time. A device of before has its name
-- from its next check-in on.
ALTER TABLE devices ADD COLUMN client_name BLOB;

CREATE UNIQUE INDEX devices_by_client_name ON devices (client_name)
    WHERE client_name IS NOT NULL;

DROP INDEX devices_by_serial;

-- A retry is the same request on the same connection, and no connection outlives this process: the
-- connection itself keeps the reply.
DROP TABLE check_in_replies;
