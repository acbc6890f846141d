-- The step of the rollout that reached the device: a step waits for an outcome of its own.
ALTER TABLE deployment_outcomes ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;

CREATE INDEX deployment_outcomes_by_wave
    ON deployment_outcomes (catalog, deployment, wave, failed);
