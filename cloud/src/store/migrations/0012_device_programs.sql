-- The components of the platform's programs that a device's evidence showed last, 16 bytes each: what a
-- successor of the platform section must leave a signer. A device of before has them from its next check-in on.
ALTER TABLE devices ADD COLUMN programs BLOB;
