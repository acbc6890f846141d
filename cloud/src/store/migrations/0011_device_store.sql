-- The version of each section of the trust store that a device's evidence named last: it never goes back
-- (ATT-10). A device of before has them from its next check-in on.
ALTER TABLE devices ADD COLUMN platform_version INTEGER;
ALTER TABLE devices ADD COLUMN owner_version INTEGER;
