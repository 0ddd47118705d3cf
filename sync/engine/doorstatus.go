package engine

import "time"

// WebhookStatus is how a webhook fares since the daemon was started.
type WebhookStatus struct {
	Name string `json:"name"`
	Type string `json:"type"`
	// Accepted and Refused count requests; those that were only too many count too.
	Accepted     int       `json:"accepted"`
	LastAccepted time.Time `json:"last_accepted,omitzero"`
	Refused      int       `json:"refused"`
	LastRefused  time.Time `json:"last_refused,omitzero"`
	// Reason says why the last one was refused.
	Reason string `json:"reason,omitempty"`
}

// QueueStatus is how many people wait for a run of their own.
type QueueStatus struct {
	Waiting int `json:"waiting"`
	AtWork  int `json:"at_work"`
	// Oldest is when the one who waits longest was asked for.
	Oldest time.Time `json:"oldest,omitzero"`
}
