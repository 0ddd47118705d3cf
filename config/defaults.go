package config

import (
	"cmp"
	"time"

	"groupsyncd/internal/scalar"
	"groupsyncd/providers"
	"groupsyncd/sync/mapping"
	"groupsyncd/sync/plan"
)

// Every default of the common keys is in this file; those of a source's own keys come
// with the empty configuration that its type makes.

const (
	// lagReplicated is how far replicas may be behind when a source has several.
	lagReplicated = scalar.Duration(5 * time.Minute)

	day = scalar.Duration(24 * time.Hour)
)

func defaults() *Config {
	return &Config{
		Mode:     "apply",
		State:    "/var/lib/groupsyncd",
		TimeZone: "UTC",
		Log:      Log{Level: "info", Format: "auto"},
		Server:   Server{Admin: Admin{Listen: "127.0.0.1:8421"}},
		Safety: Safety{
			MaxPeople:       plan.LimitBoth(500, 20),
			MaxPeople24h:    plan.LimitBoth(1000, 40),
			MaxGroupLoss:    plan.LimitPercent(50),
			MaxDemotions:    plan.LimitCount(20),
			MaxNewAdmins:    plan.LimitCount(3),
			MaxNewGroups:    plan.LimitOff(),
			MaxCuts:         plan.LimitCount(50),
			MaxSourceShrink: plan.LimitPercent(30),
			Absence:         Absence{Reads: 2, Over: scalar.Duration(15 * time.Minute)},
			ApprovalTTL:     day,
		},
		Backup:     Backup{Every: Every(day), Keep: 7},
		Audit:      Audit{Retention: 400 * day},
		StaleAfter: 3,
	}
}

func defaultSource(name string) *Source {
	return &Source{Name: name, Schedule: "every 15m", MaxAge: 2 * day}
}

// of gives a source what its kind brings: keys of its own, and defaults.
func (s *Source) of(kind providers.Type) {
	s.Config, s.Changes, s.Single = kind.New(), changesOf(kind.Changes), kind.Single
	s.Push, s.Walks = kind.Push, kind.Walks
	s.Schedule = cmp.Or(kind.Schedule, s.Schedule)
}

// defaultLag is known only once the source's own keys are.
func defaultLag(c providers.Config) scalar.Duration {
	if c.Replicated() {
		return lagReplicated
	}
	return 0
}

// defaultTarget leaves out the mode, which comes from the top of the file.
func defaultTarget(name string) *Target {
	return &Target{Name: name, Type: "openwebui", Match: []string{"sign_in", "email"}, Watch: Every(5 * time.Second)}
}

func defaultWebhook(name string) *Webhook {
	return &Webhook{Name: name, Tolerance: scalar.Duration(5 * time.Minute)}
}

func defaultRule() *Rule {
	return &Rule{To: mapping.DefaultTo, Create: CreateTrue, Adopt: []string{"name"}, Members: "owned"}
}
