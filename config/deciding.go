package config

import (
	"crypto/sha256"
	"encoding/hex"
)

// Deciding gives a sum of what decides about accounts and groups: what is read, how it is
// mapped, what may be written. Comments, logs, schedules, and whom we tell are not in it,
// nor are secrets: only where they are kept.
func (c *Config) Deciding() (string, error) {
	empty := Config{}
	d := *c
	d.State, d.TimeZone, d.StaleAfter = empty.State, empty.TimeZone, empty.StaleAfter
	d.Log, d.Server, d.Backup, d.Audit = empty.Log, empty.Server, empty.Backup, empty.Audit
	d.Webhooks, d.Notify = nil, nil
	d.Sources, d.Targets = make([]*Source, len(c.Sources)), make([]*Target, len(c.Targets))
	for i, s := range c.Sources {
		source := *s
		source.Schedule, source.Changes = "", nil
		d.Sources[i] = &source
	}
	for i, t := range c.Targets {
		target := *t
		target.Watch = 0
		d.Targets[i] = &target
	}
	text, err := Show(&d)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
