package config

import (
	"errors"
	"strings"
	"time"

	"groupsyncd/internal/scalar"

	"filippo.io/age"
)

// Backup says when the state is copied into its folder of backups, and how many copies
// stay there.
type Backup struct {
	Every     Every  `yaml:"every" doc:"How old the newest backup may get before the next is made: a duration, or off. Each is verified."`
	Keep      int    `yaml:"keep" doc:"How many backups stay; older ones of ours are deleted, other files never."`
	Recipient string `yaml:"recipient" doc:"Public key of age (age1...) that backups are encrypted for. Omitted: they are not encrypted."`
}

// Every is an interval, or off, which is zero.
type Every time.Duration

// off is how an interval is written that never comes.
const off = "off"

// UnmarshalText reads a duration, or off.
func (e *Every) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), off) {
		*e = 0
		return nil
	}
	var d scalar.Duration
	if err := d.UnmarshalText(text); err != nil {
		return errors.New("must be a duration such as 24h or 7d, or off")
	}
	if d == 0 {
		return errors.New("must be longer than nothing, or off")
	}
	*e = Every(d)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (e Every) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// String writes what UnmarshalText reads.
func (e Every) String() string {
	if e == 0 {
		return off
	}
	return scalar.Duration(e).String()
}

// Std gives the standard library's type; zero is off.
func (e Every) Std() time.Duration { return time.Duration(e) }

// shortestBackup keeps a slip of the pen from filling the disk with copies.
const shortestBackup = Every(time.Minute)

func (d *decoder) checkBackup(b *Backup) {
	if b.Every != 0 && b.Every < shortestBackup {
		d.reportAt(path{"backup", "every"}, "must be at least 1m, or off", "")
	}
	if b.Keep < 1 {
		d.reportAt(path{"backup", "keep"}, "must be at least 1", "to make no backups write every: off, which deletes none either")
	}
	if b.Recipient == "" {
		return
	}
	at := path{"backup", "recipient"}
	if strings.HasPrefix(strings.ToUpper(b.Recipient), "AGE-SECRET-KEY-") {
		d.reportAt(at, "is a secret key, which must never stand here", "write its public key, which begins with age1, and make a new pair: this one has been shown")
		return
	}
	if list, err := age.ParseRecipients(strings.NewReader(b.Recipient)); err != nil || len(list) != 1 {
		d.reportAt(at, "is not a public key of age", `write the line that age-keygen prints behind "Public key:", which begins with age1`)
	}
}
