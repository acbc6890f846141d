-- Whether an image is a runtime, signed by the platform's publisher: only such a one is a reference
-- value outside an image set. Runtimes of before are registered once more.
ALTER TABLE images ADD COLUMN runtime INTEGER NOT NULL DEFAULT 0;
