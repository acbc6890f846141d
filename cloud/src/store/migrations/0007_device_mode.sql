-- When the mode was seen: evidence in mode Debug gets no check-in, and is shown all the same.
ALTER TABLE devices ADD COLUMN mode_s INTEGER;
